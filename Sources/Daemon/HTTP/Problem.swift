/// An error answer for machines and people. <https://www.rfc-editor.org/rfc/rfc9457>
struct Problem: Sendable {
    static let contentType = "application/problem+json"

    var status: Int
    var detail: String
    /// Further members, values as JSON text.
    var members: [(name: String, json: String)] = []

    init(status: Int, detail: String) {
        self.status = status
        self.detail = detail
    }

    func rendered(requestID: String) -> [UInt8] {
        var text = "{\"type\":\"about:blank\",\"title\":\"\(StatusText.reason(status))\",\"status\":\(status)"
        text += ",\"detail\":\(JSONText.quoted(detail)),\"request_id\":\(JSONText.quoted(requestID))"
        for member in members { text += ",\(JSONText.quoted(member.name)):\(member.json)" }
        text += "}\n"
        return Array(text.utf8)
    }
}

/// JSON strings for answers. <https://www.rfc-editor.org/rfc/rfc8259#section-7>
enum JSONText {
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            default:
                if scalar.value < 0x20 {
                    let hex = String(scalar.value, radix: 16)
                    quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
                } else {
                    quoted.unicodeScalars.append(scalar)
                }
            }
        }
        return quoted + "\""
    }
}

/// <https://www.rfc-editor.org/rfc/rfc9110#section-15>
enum StatusText {
    static func reason(_ status: Int) -> String {
        switch status {
        case 400: return "Bad Request"
        case 401: return "Unauthorized"
        case 403: return "Forbidden"
        case 404: return "Not Found"
        case 405: return "Method Not Allowed"
        case 408: return "Request Timeout"
        case 409: return "Conflict"
        case 411: return "Length Required"
        case 413: return "Content Too Large"
        case 415: return "Unsupported Media Type"
        case 422: return "Unprocessable Content"
        case 429: return "Too Many Requests"
        case 431: return "Request Header Fields Too Large"
        case 500: return "Internal Server Error"
        case 503: return "Service Unavailable"
        default: return "Status \(status)"
        }
    }
}
