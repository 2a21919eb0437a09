import WALStore

/// What a node that does not run has left in its data folder.
enum StoppedNode {
    /// nil when there is no data folder to read.
    static func report(_ configuration: Configuration) -> StatusReport? { nil }
}
