import CSQLite

/// What SQLite holds of a table of ours while a connection has it: the table, what it reads through, and the functions
/// that are called.
private final class RegisteredTable {
    let table: AuditTable
    let source: AuditSource
    let module: UnsafeMutablePointer<sqlite3_module>

    init(_ table: AuditTable, _ source: AuditSource) {
        self.table = table
        self.source = source
        module = .allocate(capacity: 1)
        module.initialize(to: AuditModule.functions)
    }

    deinit { module.deallocate() }
}

/// The bridge to SQLite's virtual tables: pointers in, objects out, errors back as a code and a text.
/// <https://sqlite.org/vtab.html>
enum AuditModule {
    /// Makes `table` known on a connection, under its own name, without an entry in any schema.
    ///
    /// - Parameter source: kept until the connection closes.
    static func register(_ table: AuditTable, _ source: AuditSource) throws(SQLiteError) {
        let registered = RegisteredTable(table, source)
        let code = sqlite3_create_module_v2(
            source.connection.raw, table.name, registered.module, Unmanaged.passRetained(registered).toOpaque()
        ) { pointer in
            if let pointer { Unmanaged<RegisteredTable>.fromOpaque(pointer).release() }
        }
        guard code == SQLITE_OK else { throw source.connection.lastError("register \(table.name)") }
    }

    /// Without `xCreate`: the table is there by its name alone, and none can be made of it.
    fileprivate static var functions: sqlite3_module {
        var module = sqlite3_module()
        module.iVersion = 1
        module.xConnect = connect
        module.xBestIndex = { table, info in
            guard let table, let info else { return SQLITE_ERROR }
            var planner = AuditPlanner(AuditModule.registered(table).table, info)
            return planner.choose()
        }
        module.xDisconnect = { table in
            guard let table else { return SQLITE_OK }
            table.withMemoryRebound(to: holdfast_vtab.self, capacity: 1) { table in
                if let object = table.pointee.table { Unmanaged<RegisteredTable>.fromOpaque(object).release() }
                table.deallocate()
            }
            return SQLITE_OK
        }
        module.xOpen = open
        module.xClose = close
        module.xFilter = filter
        module.xNext = { cursor in
            guard let cursor else { return SQLITE_ERROR }
            let failure = AuditModule.object(cursor)._withUnsafeGuaranteedRef { object -> AuditError? in
                do throws(AuditError) {
                    try object.next()
                    return nil
                } catch { return error }
            }
            return failure.map { AuditModule.fail(cursor.pointee.pVtab, $0) } ?? SQLITE_OK
        }
        module.xEof = { cursor in
            guard let cursor else { return 1 }
            return AuditModule.object(cursor)._withUnsafeGuaranteedRef { $0.isAtEnd ? 1 : 0 }
        }
        module.xColumn = { cursor, context, column in
            guard let cursor, let context else { return SQLITE_ERROR }
            let failure = AuditModule.object(cursor)._withUnsafeGuaranteedRef { object -> AuditError? in
                do throws(AuditError) {
                    try object.column(column, AuditResult(context: context))
                    return nil
                } catch { return error }
            }
            return failure.map { AuditModule.fail(cursor.pointee.pVtab, $0) } ?? SQLITE_OK
        }
        module.xRowid = { cursor, rowID in
            guard let cursor, let rowID else { return SQLITE_ERROR }
            do throws(AuditError) {
                rowID.pointee = try AuditModule.object(cursor).takeUnretainedValue().rowID()
                return SQLITE_OK
            } catch { return AuditModule.fail(cursor.pointee.pVtab, error) }
        }
        return module
    }

    private static let connect:
        @convention(c) (
            OpaquePointer?, UnsafeMutableRawPointer?, Int32, UnsafePointer<UnsafePointer<CChar>?>?,
            UnsafeMutablePointer<UnsafeMutablePointer<sqlite3_vtab>?>?,
            UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        ) -> Int32 = { database, registered, _, _, table, _ in
            guard let registered, let table else { return SQLITE_ERROR }
            let object = Unmanaged<RegisteredTable>.fromOpaque(registered)
            let code = sqlite3_declare_vtab(database, object.takeUnretainedValue().table.declaration)
            guard code == SQLITE_OK else { return code }
            let made = UnsafeMutablePointer<holdfast_vtab>.allocate(capacity: 1)
            made.initialize(to: holdfast_vtab())
            made.pointee.table = object.retain().toOpaque()
            table.pointee = UnsafeMutableRawPointer(made).assumingMemoryBound(to: sqlite3_vtab.self)
            return SQLITE_OK
        }

    private static let open:
        @convention(c) (
            UnsafeMutablePointer<sqlite3_vtab>?, UnsafeMutablePointer<UnsafeMutablePointer<sqlite3_vtab_cursor>?>?
        ) -> Int32 = { table, cursor in
            guard let table, let cursor else { return SQLITE_ERROR }
            let registered = AuditModule.registered(table)
            let made = UnsafeMutablePointer<holdfast_vtab_cursor>.allocate(capacity: 1)
            made.initialize(to: holdfast_vtab_cursor())
            let object = registered.table.makeCursor(registered.source)
            made.pointee.cursor = Unmanaged.passRetained(object).toOpaque()
            cursor.pointee = UnsafeMutableRawPointer(made).assumingMemoryBound(to: sqlite3_vtab_cursor.self)
            return SQLITE_OK
        }

    private static let close: @convention(c) (UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> Int32 = { cursor in
        guard let cursor else { return SQLITE_OK }
        cursor.withMemoryRebound(to: holdfast_vtab_cursor.self, capacity: 1) { cursor in
            if let object = cursor.pointee.cursor { Unmanaged<AuditCursor>.fromOpaque(object).release() }
            cursor.deallocate()
        }
        return SQLITE_OK
    }

    private static let filter:
        @convention(c) (
            UnsafeMutablePointer<sqlite3_vtab_cursor>?, Int32, UnsafePointer<CChar>?, Int32,
            UnsafeMutablePointer<OpaquePointer?>?
        ) -> Int32 = { cursor, number, terms, count, values in
            guard let cursor else { return SQLITE_ERROR }
            do throws(AuditError) {
                let filter = try AuditFilter(terms, values, count: count)
                try AuditModule.object(cursor).takeUnretainedValue().begin(AuditPlan(number: number), filter)
                return SQLITE_OK
            } catch { return AuditModule.fail(cursor.pointee.pVtab, error) }
        }

    // MARK: Pointers

    @inline(__always)
    private static func registered(_ table: UnsafeMutablePointer<sqlite3_vtab>) -> RegisteredTable {
        table.withMemoryRebound(to: holdfast_vtab.self, capacity: 1) { table in
            guard let object = table.pointee.table else { preconditionFailure("a table is made with its object") }
            return Unmanaged<RegisteredTable>.fromOpaque(object).takeUnretainedValue()
        }
    }

    @inline(__always)
    private static func object(_ cursor: UnsafeMutablePointer<sqlite3_vtab_cursor>) -> Unmanaged<AuditCursor> {
        let cursor = UnsafeMutableRawPointer(cursor).assumingMemoryBound(to: holdfast_vtab_cursor.self)
        guard let object = cursor.pointee.cursor else { preconditionFailure("a cursor is made with its object") }
        return Unmanaged.fromOpaque(object)
    }

    /// Leaves the message where SQLite looks for it, in memory that it frees.
    private static func fail(_ table: UnsafeMutablePointer<sqlite3_vtab>?, _ error: AuditError) -> Int32 {
        guard let table else { return error.resultCode }
        sqlite3_free(table.pointee.zErrMsg)
        table.pointee.zErrMsg = SQLiteText.copy(error.message)
        return error.resultCode
    }
}
