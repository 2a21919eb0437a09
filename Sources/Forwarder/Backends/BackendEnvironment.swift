import WALStore

/// What a backend may use of the node it runs in.
public struct BackendEnvironment: Sendable {
    /// Where files go that the config gives no path for.
    public var dataDirectory: String
    public var time: TimeSource
    /// Hears what an operator should see.
    public var events: EventSink
    /// Asked before a file in the data folder grows.
    public var space: FileSpace
    /// What the node shows of points to whoever scrapes them.
    public var board: ExpositionBoard

    public init(
        dataDirectory: String = "holdfast-data", time: TimeSource = .system, space: FileSpace = FileSpace(),
        board: ExpositionBoard = ExpositionBoard(), events: @escaping EventSink = { _ in }
    ) {
        self.space = space
        self.board = board
        self.dataDirectory = dataDirectory
        self.time = time
        self.events = events
    }
}

extension Backend {
    /// Most backends need nothing of the node.
    public static func make(
        name: String, settings: Settings, environment: BackendEnvironment
    ) throws(SettingsError) -> any Backend {
        try Self(name: name, settings: settings)
    }
}
