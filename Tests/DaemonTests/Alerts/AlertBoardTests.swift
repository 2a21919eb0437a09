import Forwarder
import Testing

@testable import Daemon

/// Which alerts fire, and since when.
@Suite struct AlertBoardTests {
    private static func alert(_ name: String, _ severity: Alert.Severity = .warning, tenant: String = "") -> Alert {
        Alert(Alert.ID(name, tenant: tenant), severity, "so")
    }

    @Test func `an alert keeps its beginning while it lasts, and has a new one when it comes back`() {
        var board = AlertBoard()
        #expect(board.update([Self.alert("A")], wall: 10).firing.map(\.startedAt) == [10])
        let both = board.update([Self.alert("B"), Self.alert("A")], wall: 20)
        #expect(both.firing.map(\.alert.id.name) == ["A", "B"] && both.firing.map(\.startedAt) == [10, 20])
        #expect(board.update([], wall: 30).firing.isEmpty)
        #expect(board.update([Self.alert("A")], wall: 40).firing.map(\.startedAt) == [40])
    }

    @Test func `where the clock is set back nothing has begun in the future`() {
        var board = AlertBoard()
        _ = board.update([Self.alert("A")], wall: 100)
        #expect(board.update([Self.alert("A")], wall: 50).firing.map(\.startedAt) == [50])
    }

    @Test func `of two with one identity there is one`() {
        var board = AlertBoard()
        #expect(board.update([Self.alert("A"), Self.alert("A")], wall: 1).firing.count == 1)
    }

    @Test func `with too many those that fire stay, then the critical ones come, and how many are left out is known`() {
        var board = AlertBoard()
        let first = (0..<10).map { Self.alert("Z", tenant: "\($0)") }
        _ = board.update(first, wall: 1)
        let many = (0..<AlertBoard.maximum).map { Self.alert("A", tenant: "\($0)") }
        let critical = (0..<5).map { Self.alert("Y", .critical, tenant: "\($0)") }
        let snapshot = board.update(many + critical + first, wall: 2)
        let counts = Dictionary(grouping: snapshot.firing, by: \.alert.id.name).mapValues(\.count)
        #expect(counts == ["Z": 10, "Y": 5, "A": AlertBoard.maximum - 15])
        #expect(board.leftOut == 15 && board.firing == AlertBoard.maximum)
    }
}
