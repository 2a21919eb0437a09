import CSQLite

#if canImport(Glibc)
    import Glibc
#endif

/// What SQLite calls: the functions of SQL that make tags and states, and the hook that sees each row that changes.
/// <https://sqlite.org/c3ref/preupdate_blobwrite.html>
extension ChainKeeper {
    private typealias Function = @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void

    /// Before any statement is prepared: with the hook in place SQLite prepares them so that it sees every row.
    func install() throws(SQLiteError) {
        let makeTag: Function = { context, count, values in
            guard let context, let values, count > 1, let keeper = sqlite3_user_data(context) else { return }
            Unmanaged<ChainKeeper>.fromOpaque(keeper).takeUnretainedValue()
                .answerTag(context, UnsafeBufferPointer(start: values, count: Int(count)))
        }
        let makeState: Function = { context, count, values in
            guard let context, let values, let keeper = sqlite3_user_data(context) else { return }
            Unmanaged<ChainKeeper>.fromOpaque(keeper).takeUnretainedValue()
                .answerState(context, UnsafeBufferPointer(start: values, count: Int(count)))
        }
        try add(ChainKeeper.tagFunction, makeTag)
        try add(ChainKeeper.stateFunction, makeState)
        sqlite3_preupdate_hook(
            connection.raw,
            { keeper, database, operation, _, table, former, new in
                guard let keeper, let database, let table, let found = ChainTable(named: table) else { return }
                Unmanaged<ChainKeeper>.fromOpaque(keeper).takeUnretainedValue()
                    .saw(operation, found, database, former: former, new: new)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func add(_ name: String, _ function: Function) throws(SQLiteError) {
        let code = sqlite3_create_function_v2(
            connection.raw, name, -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, Unmanaged.passUnretained(self).toOpaque(),
            function, nil, nil, nil)
        guard code == SQLITE_OK else {
            throw SQLiteError(code: code, operation: "make the function \(name)", message: "")
        }
    }

    // MARK: Functions

    /// - Parameter values: the number of a table, and all columns of a row of it.
    private func answerTag(_ context: OpaquePointer, _ values: UnsafeBufferPointer<OpaquePointer?>) {
        let number = UInt8(truncatingIfNeeded: sqlite3_value_int64(values[0]))
        guard let state, let table = ChainTable(rawValue: number), values.count == table.columns.count + 1 else {
            return sqlite3_result_error(context, "a tag is of all columns of a row, inside a transaction", -1)
        }
        var input = keys.beginTag(table, life: state.life, epoch: keys.epoch)
        for value in values.dropFirst() { input.add(value: value) }
        ChainTag(life: state.life, epoch: keys.epoch, input.end()).withBytes {
            holdfast_sqlite_result_blob(context, $0.baseAddress, Int32($0.count))
        }
    }

    /// - Parameter values: `ChainRow.columns`, as they are going to be.
    private func answerState(_ context: OpaquePointer, _ values: UnsafeBufferPointer<OpaquePointer?>) {
        guard values.count == ChainRow.columns.count, var state else {
            return sqlite3_result_error(context, "a state is of the row of `spool`, inside a transaction", -1)
        }
        state.epoch = keys.epoch
        state.version = sqlite3_value_int64(values[ChainRow.version])
        state.wall = sqlite3_value_int64(values[ChainRow.wall])
        self.state = state
        state.encoded(keys) { input in for value in values { input.add(value: value) } }.withUnsafeBytes {
            holdfast_sqlite_result_blob(context, $0.baseAddress, Int32($0.count))
        }
    }

    // MARK: The hook

    private func saw(_ operation: Int32, _ table: ChainTable, _ database: OpaquePointer, former: Int64, new: Int64) {
        guard var state else {
            failure = SQLiteError(
                code: SQLITE_MISUSE, operation: "keep the chain", message: "a row changed outside of a transaction")
            return
        }
        // Held once while it changes, so that the array in it is not copied for each row.
        self.state = nil
        state.work.changes += 1
        if operation != SQLITE_INSERT { take(table, former, database, isDeleted: operation == SQLITE_DELETE, &state) }
        if operation != SQLITE_DELETE { put(table, new, database, &state) }
        if operation == SQLITE_INSERT, table == .batches {
            insertedRows.append(span { sqlite3_value_int64(coming($0, database)) })
        }
        self.state = state
    }

    /// A row as it is before the change: goes out of the sum, and is looked at a last time.
    private func take(
        _ table: ChainTable, _ id: Int64, _ database: OpaquePointer, isDeleted: Bool, _ state: inout ChainState
    ) {
        let columns = table.columns.count
        guard table.isTagged else {
            var input = keys.beginElement(table)
            for index in 0..<columns { input.add(value: former(index, database)) }
            state[table].sum = state[table].sum &- input.end()
            state[table].rows -= 1
            return
        }
        withBlob(former(columns, database)) { bytes in
            let tag = ChainTag(bytes)
            if let tag, tag.epoch == keys.epoch {
                var input = keys.beginTag(table, life: tag.life, epoch: tag.epoch)
                for index in 0..<columns { input.add(value: former(index, database)) }
                if ChainTag(life: tag.life, epoch: tag.epoch, input.end()) != tag { note(altered: table, id, &state) }
            }
            guard state.counts(table, id: id, tag: tag) else { return }
            state[table].sum = state[table].sum &- keys.element(table, id: id, tag: bytes)
            state[table].rows -= 1
        }
        guard isDeleted else { return }
        if table == .batches {
            deletedRows.append(span { sqlite3_value_int64(former($0, database)) })
        } else {
            state.work.removedRows += 1
        }
    }

    /// A row as it is going to be: comes into the sum.
    private func put(_ table: ChainTable, _ id: Int64, _ database: OpaquePointer, _ state: inout ChainState) {
        let columns = table.columns.count
        guard table.isTagged else {
            var input = keys.beginElement(table)
            for index in 0..<columns { input.add(value: coming(index, database)) }
            state[table].sum = state[table].sum &+ input.end()
            state[table].rows += 1
            return
        }
        withBlob(coming(columns, database)) { bytes in
            let tag = ChainTag(bytes)
            assert(isTrue(tag, table, database, state), "a row of \(table.name) was written with another's tag")
            guard state.counts(table, id: id, tag: tag) else { return }
            state[table].sum = state[table].sum &+ keys.element(table, id: id, tag: bytes)
            state[table].rows += 1
        }
    }

    /// In debug builds: whether the statement that writes the row has given its tag all columns.
    private func isTrue(_ tag: ChainTag?, _ table: ChainTable, _ database: OpaquePointer, _ state: ChainState) -> Bool {
        guard let tag, tag.life == state.life, tag.epoch == keys.epoch else { return true }
        var input = keys.beginTag(table, life: tag.life, epoch: tag.epoch)
        for index in table.columns.indices { input.add(value: coming(index, database)) }
        return ChainTag(life: tag.life, epoch: tag.epoch, input.end()) == tag
    }

    private func note(altered table: ChainTable, _ id: Int64, _ state: inout ChainState) {
        state.work.alteredRows += 1
        alteredCount += 1
        if altered.count < ChainKeeper.namedRows { altered.append((table, id)) }
    }

    /// A link names as many.
    private static let namedRows = 16

    /// - Parameter column: reads one of a row of `batches`.
    private func span(_ column: (Int) -> Int64) -> Span {
        let (first, position) = (column(0), column(2))
        return Span(
            sequences: first...max(first, column(1)),
            positions: position..<position.addingCapped(max(0, column(3))))
    }

    private func former(_ column: Int, _ database: OpaquePointer) -> OpaquePointer? {
        var value: OpaquePointer?
        check(sqlite3_preupdate_old(database, Int32(column), &value))
        return value
    }

    private func coming(_ column: Int, _ database: OpaquePointer) -> OpaquePointer? {
        var value: OpaquePointer?
        check(sqlite3_preupdate_new(database, Int32(column), &value))
        return value
    }

    private func check(_ code: Int32) {
        guard code != SQLITE_OK, failure == nil else { return }
        failure = SQLiteError(code: code, operation: "keep the chain", message: "a row that changes cannot be seen")
    }
}

extension ChainTable {
    /// nil for a table that is not in the chain.
    fileprivate init?(named name: UnsafePointer<CChar>) {
        for table in ChainTable.allCases {
            let isSame = table.name.utf8Start.withMemoryRebound(to: CChar.self, capacity: table.name.utf8CodeUnitCount)
            {
                strcmp($0, name) == 0
            }
            if isSame {
                self = table
                return
            }
        }
        return nil
    }
}

extension ChainKeys {
    /// What a row without a tag adds to the sum of its table; its values follow.
    func beginElement(_ table: ChainTable) -> ChainMACInput {
        var input = sum.begin()
        input.add(table.rawValue)
        return input
    }
}
