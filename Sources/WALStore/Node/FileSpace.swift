import Synchronization

/// The data folder's space for files that are no spools, such as an archive's: they count in the node's budget, and ask
/// before they grow. Outside the data folder, and before a store has been opened there, everything is granted.
public final class FileSpace: Sendable {
    private let node = Mutex<(space: NodeSpace, prefix: String)?>(nil)

    public init() {}

    func attach(_ space: NodeSpace, folder: String) { node.withLock { $0 = (space, folder + "/") } }

    /// Asks for room before the file at `path` grows from one length to another.
    ///
    /// - Returns: false when the node's budget has none.
    public func take(_ path: String, from old: Int, to new: Int) -> Bool {
        guard let space = space(path) else { return true }
        let bytes = FileBlocks.atMost(Int64(new)) - FileBlocks.atMost(Int64(old))
        return bytes <= 0 || space.takeForFile(bytes)
    }

    /// The file has been cut, or is gone (`new` is 0).
    public func giveBack(_ path: String, from old: Int, to new: Int) {
        space(path)?.giveBackOfFile(FileBlocks.atMost(Int64(old)) - FileBlocks.atMost(Int64(new)))
    }

    private func space(_ path: String) -> NodeSpace? {
        node.withLock { node in
            guard let node, path.hasPrefix(node.prefix) else { return nil }
            return node.space
        }
    }
}

extension WALStore {
    /// Counts what grows in the data folder beside the spools from here on.
    public func attach(_ files: FileSpace) { files.attach(space, folder: folder.path) }
}
