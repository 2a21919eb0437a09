import Testing
import WALStore

@testable import Daemon

struct FileLimitTests {
    @Test(arguments: [64, 128, 256, 400, 1024, 2000, 2500])
    func `what does not fit into the limit is taken off, and a warning says what`(_ limit: Int) throws {
        var configuration = try Configuration.load(nil, Configuration.Overrides())
        #expect(FileLimit.needed(by: configuration) > 2500)
        FileLimit.fit(&configuration, to: limit)
        let connections = configuration.server.limits.connections
        let taken =
            configuration.node.openSpools * FileLimit.ofSpool + connections + Crowd.reserve(of: connections)
            + (FileLimit.outgoing(of: configuration, within: limit) ?? 0)
        // The smallest limits hold one spool and one connection.
        #expect(taken < limit - min(40, limit / 4) || connections == 1)
        #expect(configuration.node.openSpools >= 1 && connections >= 1)
        #expect(configuration.warnings.contains { $0.hasPrefix("only \(limit) files may be open") })
    }

    @Test func `a limit that is enough changes nothing`() throws {
        let before = try Configuration.load(nil, Configuration.Overrides())
        var configuration = before
        FileLimit.fit(&configuration, to: FileLimit.needed(by: before))
        #expect(configuration.node.openSpools == before.node.openSpools)
        #expect(configuration.server.limits.connections == before.server.limits.connections)
        #expect(configuration.warnings == before.warnings)
        #expect(FileLimit.outgoing(of: before, within: FileLimit.needed(by: before)) == nil)
    }
}
