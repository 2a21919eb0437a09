/// An error answer for machines and people. <https://www.rfc-editor.org/rfc/rfc9457>
struct Problem: Sendable {
    var status: Int
    var detail: String
    /// Further members, values as JSON text.
    var members: [(name: String, json: String)] = []

    init(status: Int, detail: String) {
        self.status = status
        self.detail = detail
    }
}
