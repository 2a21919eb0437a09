import WALStore

/// `holdfast audit key`: makes the key of a node's chains.
struct AuditKey: Sendable {
    private let path: String
    private let former: String?

    init(_ arguments: Arguments) throws(UsageError) {
        guard let path = arguments.value("--out") else {
            throw UsageError("where to? --out is the file to make, which the node's user reads and nobody else")
        }
        self.path = path
        former = arguments.value("--next")
    }

    func run() throws(CommandFailure) {
        do throws(ChainKeyFile.Failure) {
            try ChainKeyFile.make(path, try former.map(ChainKeyFile.read)?.next() ?? .random())
        } catch {
            throw CommandFailure("the key cannot be made: \(error)", code: 2)
        }
        guard former == nil else {
            Terminal.print(
                """
                \(path) is the key of the next epoch. Put it in the place of the node's, which then cannot make tags of former
                epochs any more, and restart the node; keep the first key, which checks all epochs, where it is safe.

                """)
            return
        }
        Terminal.print(
            """
            \(path) is a new key. Give it to the node's user (chown), name it in the config (chain: {key_file: \(path)}),
            and keep a copy where whoever can write the data folder cannot: with it, `holdfast audit verify --key` proves.

            """)
    }
}
