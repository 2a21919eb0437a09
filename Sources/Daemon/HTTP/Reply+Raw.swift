extension Reply {
    /// The whole answer as bytes, for a connection that ends with it.
    func rawResponse(requestID: String) -> [UInt8] {
        var content: [UInt8] = []
        var contentType: String?
        switch body {
        case .none: break
        case .bytes(let bytes, let type): (content, contentType) = (bytes, type)
        case .problem(let problem):
            (content, contentType) = (problem.rendered(requestID: requestID), Problem.contentType)
        }
        var head = "HTTP/1.1 \(status) \(StatusText.reason(status))\r\nConnection: close\r\n"
        head += "Content-Length: \(content.count)\r\nX-Request-Id: \(requestID)\r\n"
        if let contentType { head += "Content-Type: \(contentType)\r\n" }
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        return Array((head + "\r\n").utf8) + content
    }
}
