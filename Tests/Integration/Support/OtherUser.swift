import TestSupport

#if canImport(Glibc)
    import Glibc
#endif

/// A user who owns nothing, to run the binary as: rights mean something to it, as they do not to root.
struct OtherUser {
    static let nobody = OtherUser(id: 65_534)
    /// Takes root, setpriv(1), and a binary that others can reach.
    static let canBeUsed: Bool = {
        guard geteuid() == 0 else { return false }
        return (try? nobody.run(["version"]))?.status == 0
    }()

    let id: UInt32

    /// What goes before a command.
    var prefix: [String] {
        ["/usr/bin/setpriv", "--reuid=\(id)", "--regid=\(id)", "--clear-groups"]
    }

    /// Runs a command of the binary under test to its end.
    func run(_ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        let whole = prefix + [Workbench.holdfast] + arguments
        return try IntegrationTests.run(whole[0], Array(whole.dropFirst()))
    }
}
