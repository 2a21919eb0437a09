/// The writer's connection with its statements: made together, dropped together.
final class Database {
    let connection: Connection
    let statements: SpoolStatements
    private var resendStatements: ResendStatements?
    private var counterStatements: CounterStatements?

    /// Opens the spool's file, or makes it, with the newest schema and our settings.
    ///
    /// - Parameter chain: the node's key. The connection keeps no chain with it where the file has one of another key.
    init(
        path: String, vfs: String?, _ durability: Durability, _ account: SpaceAccount? = nil,
        schema: Schema = .released, chain: (key: ChainKey, tenant: String)? = nil
    ) throws(SpoolError) {
        do throws(SQLiteError) {
            connection = try Connection(path: path, access: .readWrite, vfs: vfs, account: account)
        } catch {
            throw error.asSpoolError
        }
        do throws(SpoolError) {
            try schema.apply(to: connection)
            if let chain, try !Database.hasChain(ofAnother: chain.key, connection) {
                // Nothing is wrong with the file.
                do throws(SQLiteError) { try connection.keepChain(chain.key, tenant: chain.tenant) } catch {
                    throw SpoolError(.unavailable, error.message)
                }
            }
            statements = try Database.prepare(connection, durability)
        } catch {
            connection.close()
            throw error
        }
    }

    private static func hasChain(ofAnother key: ChainKey, _ connection: Connection) throws(SpoolError) -> Bool {
        do throws(SQLiteError) { return try ChainKeeper.isOfAnother(key, connection) } catch {
            throw error.asSpoolError
        }
    }

    var hasResendStatements: Bool { resendStatements != nil }

    /// Made when they are first needed: most tenants send nothing with a key, and each statement takes memory.
    func resend() throws(SQLiteError) -> ResendStatements {
        if let made = resendStatements { return made }
        let made = try ResendStatements(on: connection)
        resendStatements = made
        return made
    }

    /// As `resend`: most backends take totals as they are.
    func counters() throws(SQLiteError) -> CounterStatements {
        if let made = counterStatements { return made }
        let made = try CounterStatements(on: connection)
        counterStatements = made
        return made
    }

    private static func prepare(
        _ connection: Connection, _ durability: Durability
    ) throws(SpoolError) -> SpoolStatements {
        do throws(SQLiteError) {
            try Schema.configure(connection, durability)
            return try SpoolStatements(on: connection)
        } catch {
            throw error.asSpoolError
        }
    }
}

@available(*, unavailable)
extension Database: Sendable {}
