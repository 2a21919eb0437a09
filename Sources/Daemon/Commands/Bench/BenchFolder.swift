import Glibc

/// The folders that benchmarks make and take away again.
enum BenchFolder {
    /// A new one, in `parent`.
    static func make(in parent: String) throws(BenchFailure) -> String {
        var template = Array("\(parent)/holdfast-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchFailure("cannot make a folder in \(parent)") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func write(_ text: String, to path: String) throws(BenchFailure) {
        guard let file = fopen(path, "w") else { throw BenchFailure("cannot write \(path)") }
        fputs(text, file)
        fclose(file)
    }

    /// The first two thousand bytes of a log.
    static func beginning(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "no log" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 2000)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// Removes a file, or a folder with all that is in it.
    static func remove(_ path: String) {
        guard let folder = opendir(path) else {
            unlink(path)
            return
        }
        while let next = readdir(folder) {
            let name = withUnsafePointer(to: &next.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { remove("\(path)/\(name)") }
        }
        closedir(folder)
        rmdir(path)
    }
}
