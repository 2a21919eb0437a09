import CCurl

/// One transfer: a curl easy handle with everything libcurl borrows while it runs.
///
/// Bound to the thread of its `MultiLoop`, from init to deinit.
final class EasyHandle {
    let raw: UnsafeMutableRawPointer
    let request: HTTPRequest
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private var connectList: UnsafeMutablePointer<curl_slist>?
    /// libcurl writes here what went wrong, until the handle is gone.
    private let errorText: UnsafeMutablePointer<CChar>
    /// How much of the request's body libcurl has taken.
    private var bodyOffset = 0
    private var response = HTTPResponse(status: 0)
    private var headerBytes = 0
    /// The empty line after the last head has come. libcurl calls an answer done that ends before it: a connection that
    /// breaks behind "HTTP/1.1 204" would be taken for a whole answer.
    private var isHeadComplete = false

    static let maximumHeaderBytes = 64 << 10

    /// - Throws: what of the request libcurl will not have; nothing was sent.
    init(_ request: HTTPRequest) throws(TransportFailure) {
        CurlLibrary.prepare()
        guard let raw = curl_easy_init() else {
            throw TransportFailure(mayHaveArrived: false, reason: "no memory for another transfer")
        }
        self.raw = raw
        self.request = request
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        do throws(RefusedOption) {
            try configure()
        } catch {
            throw TransportFailure(
                mayHaveArrived: false, reason: "the request cannot be sent: \(error.name) is not usable")
        }
    }

    deinit {
        curl_easy_cleanup(raw)
        curl_slist_free_all(headerList)
        curl_slist_free_all(connectList)
        errorText.deallocate()
    }

    // MARK: What it became

    /// The answer, once libcurl is done with the transfer.
    func answer(_ code: CURLcode) -> Answer {
        // A body cut by us ends in a write error: the answer as such is there.
        if code == CURLE_OK || (code == CURLE_WRITE_ERROR && response.isCut) {
            guard isHeadComplete else { return failure(reason: "the answer ended in the middle of its head") }
            var status = 0
            holdfast_curl_get_long(raw, CURLINFO_RESPONSE_CODE, &status)
            response.status = status
            return .response(response)
        }
        return failure(reason: reason(for: code))
    }

    /// A failure, with whether any byte of the request had left for the backend.
    ///
    /// libcurl counts what it wrote to an established (for https: encrypted) connection, so a failed look-up, connect or
    /// TLS handshake leaves both counts at 0. <https://curl.se/libcurl/c/CURLINFO_REQUEST_SIZE.html>
    /// What it asks a proxy for a tunnel counts too, so there has to be a connection to the backend itself: libcurl notes
    /// the time when that is ready. <https://curl.se/libcurl/c/CURLINFO_PRETRANSFER_TIME_T.html>
    func failure(reason: String) -> Answer {
        var readyAfter: Int64 = 0
        holdfast_curl_get_off(raw, CURLINFO_PRETRANSFER_TIME_T, &readyAfter)
        guard readyAfter > 0 else { return .failure(TransportFailure(mayHaveArrived: false, reason: reason)) }
        var headBytes = 0
        var uploaded: Int64 = 0
        holdfast_curl_get_long(raw, CURLINFO_REQUEST_SIZE, &headBytes)
        holdfast_curl_get_off(raw, CURLINFO_SIZE_UPLOAD_T, &uploaded)
        return .failure(TransportFailure(mayHaveArrived: headBytes > 0 || uploaded > 0, reason: reason))
    }

    private func reason(for code: CURLcode) -> String {
        let general = CurlLibrary.describe(code)
        let detail = String(cString: errorText)
        guard !detail.isEmpty, !request.secrets.contains(where: { detail.contains($0) }) else { return general }
        return detail
    }

    // MARK: Callbacks

    fileprivate static func from(_ context: UnsafeMutableRawPointer?) -> EasyHandle? {
        context.map { Unmanaged<EasyHandle>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Lends libcurl the next bytes of the body.
    private func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, request.body.count - bodyOffset)
        guard count > 0 else { return 0 }
        request.body.withUnsafeBytes { body in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: body[bodyOffset..<bodyOffset + count]))
        }
        bodyOffset += count
        return count
    }

    /// - Returns: how much was taken; less than offered ends the transfer.
    private func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        let room = request.maximumResponseBytes - response.body.count
        response.body.append(contentsOf: bytes.prefix(room))
        if bytes.count > room { response.isCut = true }
        return min(bytes.count, room)
    }

    private func writeHeader(_ line: UnsafeRawBufferPointer) -> Int {
        headerBytes += line.count
        guard headerBytes <= EasyHandle.maximumHeaderBytes else { return 0 }
        // A further head follows an interim answer such as 100: only the last one counts.
        if line.starts(with: "HTTP/".utf8) {
            response.headers.removeAll()
            isHeadComplete = false
            return line.count
        }
        if line.elementsEqual("\r\n".utf8) || line.elementsEqual("\n".utf8) { isHeadComplete = true }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return line.count }
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        let value = String(decoding: line[(colon + 1)...].trimmingBlanks(), as: UTF8.self)
        if let earlier = response.headers[name] {
            response.headers[name] = "\(earlier), \(value)"
        } else {
            response.headers[name] = value
        }
        return line.count
    }
}

// MARK: - Options

extension EasyHandle {
    /// An option libcurl refused, by the name an operator knows it by.
    struct RefusedOption: Error { var name: String }

    private func configure() throws(RefusedOption) {
        try set(CURLOPT_ERRORBUFFER, pointer: errorText, "error buffer")
        try set(CURLOPT_NOSIGNAL, 1, "nosignal")
        try set(CURLOPT_PROTOCOLS_STR, "http,https", "protocols")
        try set(CURLOPT_FOLLOWLOCATION, 0, "redirects")
        try set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1, "HTTP version")
        try set(CURLOPT_TCP_NODELAY, 1, "nodelay")
        try set(CURLOPT_TCP_KEEPALIVE, 1, "keepalive")
        try set(CURLOPT_TIMEOUT_MS, request.timeout.wholeMilliseconds, "timeout")
        // A look-up runs in a thread of its own. When it outlives the timeout, libcurl would wait for that thread, and with
        // it every other transfer of the loop, for as long as the resolver tries.
        guard holdfast_curl_set_quick_exit(raw) == CURLE_OK else { throw RefusedOption(name: "quick exit") }
        try set(CURLOPT_CONNECTTIMEOUT_MS, request.connectTimeout.wholeMilliseconds, "connect timeout")
        try set(CURLOPT_USERAGENT, request.userAgent, "user agent")
        // An empty name keeps the proxy variables of the environment out of it.
        try set(CURLOPT_PROXY, request.proxy ?? "", "proxy")
        if let path = request.unixSocket { try set(CURLOPT_UNIX_SOCKET_PATH, path, "unix socket") }
        try setAuthentication()
        try setTLS()
        try setHeaders()
        try setMethodAndBody()
        setCallbacks()
    }

    private func setAuthentication() throws(RefusedOption) {
        switch request.authentication {
        case .none: break
        case .basic(let user, let password):
            try set(CURLOPT_HTTPAUTH, holdfast_curl_auth_basic, "authentication")
            try set(CURLOPT_USERNAME, user, "user")
            try set(CURLOPT_PASSWORD, password.reveal, "password")
        case .bearer(let token):
            try set(CURLOPT_HTTPAUTH, holdfast_curl_auth_bearer, "authentication")
            try set(CURLOPT_XOAUTH2_BEARER, token.reveal, "token")
        case .aws(let signature):
            try set(CURLOPT_AWS_SIGV4, "aws:amz:\(signature.region):\(signature.service)", "aws_sigv4")
            try set(CURLOPT_USERNAME, signature.accessKey, "access key")
            try set(CURLOPT_PASSWORD, signature.secretKey.reveal, "secret key")
        }
    }

    private func setTLS() throws(RefusedOption) {
        let tls = request.tls
        let version = tls.minimumVersion == .v1_3 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2
        try set(CURLOPT_SSLVERSION, Int(version), "TLS version")
        if let file = tls.caFile { try set(CURLOPT_CAINFO, file, "CA file") }
        if let file = tls.certFile { try set(CURLOPT_SSLCERT, file, "certificate file") }
        if let file = tls.keyFile { try set(CURLOPT_SSLKEY, file, "key file") }
        if tls.insecureSkipVerify {
            try set(CURLOPT_SSL_VERIFYPEER, 0, "peer check")
            try set(CURLOPT_SSL_VERIFYHOST, 0, "host check")
        }
        guard let name = tls.serverName else { return try set(CURLOPT_URL, request.url, "url") }
        // libcurl checks the certificate against the URL's host: so the URL names the server, and the connection is
        // steered to the address the config gave. <https://curl.se/libcurl/c/CURLOPT_CONNECT_TO.html>
        guard let renamed = RenamedURL(request.url, host: name) else { throw RefusedOption(name: "url") }
        try set(CURLOPT_URL, renamed.url, "url")
        try append("::\(renamed.originalHost):\(renamed.originalPort)", to: &connectList, "server name")
        holdfast_curl_set_list(raw, CURLOPT_CONNECT_TO, connectList)
    }

    private func setHeaders() throws(RefusedOption) {
        var headers = request.headers
        // `Expect: 100-continue` costs a round trip, and a second where a server ignores it.
        if case .aws(let signature) = request.authentication {
            // libcurl 7.88 would sign the header that we take away: it stays, and its answer is not waited for.
            try set(CURLOPT_EXPECT_100_TIMEOUT_MS, 1, "expect timeout")
            headers += signature.headers(for: request.body)
        } else {
            try append("Expect:", to: &headerList, "headers")
        }
        for (name, value) in headers {
            guard HTTPRequest.isHeader(name: name, value: value) else { throw RefusedOption(name: "header \(name)") }
            // libcurl sends a header without a value only when it is written with a semicolon.
            try append(value.isEmpty ? "\(name);" : "\(name): \(value)", to: &headerList, "header \(name)")
        }
        holdfast_curl_set_list(raw, CURLOPT_HTTPHEADER, headerList)
    }

    private func setMethodAndBody() throws(RefusedOption) {
        guard request.method != .get else { return try set(CURLOPT_HTTPGET, 1, "method") }
        try set(CURLOPT_POST, 1, "method")
        holdfast_curl_set_off(raw, CURLOPT_POSTFIELDSIZE_LARGE, Int64(request.body.count))
        if request.method != .post { try set(CURLOPT_CUSTOMREQUEST, request.method.rawValue, "method") }
    }

    private func setCallbacks() {
        let context = Unmanaged.passUnretained(self).toOpaque()
        holdfast_curl_set_pointer(raw, CURLOPT_READDATA, context)
        holdfast_curl_set_pointer(raw, CURLOPT_SEEKDATA, context)
        holdfast_curl_set_pointer(raw, CURLOPT_WRITEDATA, context)
        holdfast_curl_set_pointer(raw, CURLOPT_HEADERDATA, context)
        holdfast_curl_set_write(raw, CURLOPT_READFUNCTION) { bytes, size, count, context in
            EasyHandle.from(context)?.read(into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count)) ?? 0
        }
        // A kept connection that turns out to be closed makes libcurl start over on a new one.
        holdfast_curl_set_seek(raw) { context, offset, origin in
            guard origin == 0, let handle = EasyHandle.from(context), offset <= handle.request.body.count else {
                return CURL_SEEKFUNC_FAIL
            }
            handle.bodyOffset = Int(offset)
            return CURL_SEEKFUNC_OK
        }
        holdfast_curl_set_write(raw, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            EasyHandle.from(context)?.write(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
        }
        holdfast_curl_set_write(raw, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            EasyHandle.from(context)?.writeHeader(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
        }
    }

    private func set(_ option: CURLoption, _ value: Int, _ name: String) throws(RefusedOption) {
        guard holdfast_curl_set_long(raw, option, value) == CURLE_OK else { throw RefusedOption(name: name) }
    }

    /// libcurl copies strings.
    private func set(_ option: CURLoption, _ value: String, _ name: String) throws(RefusedOption) {
        guard holdfast_curl_set_string(raw, option, value) == CURLE_OK else { throw RefusedOption(name: name) }
    }

    private func set(
        _ option: CURLoption, pointer: UnsafeMutableRawPointer, _ name: String
    ) throws(RefusedOption) {
        guard holdfast_curl_set_pointer(raw, option, pointer) == CURLE_OK else { throw RefusedOption(name: name) }
    }

    private func append(
        _ text: String, to list: inout UnsafeMutablePointer<curl_slist>?, _ name: String
    ) throws(RefusedOption) {
        guard let longer = curl_slist_append(list, text) else { throw RefusedOption(name: name) }
        list = longer
    }
}

extension Duration {
    /// Rounded up, 1 at least: libcurl takes 0 for "no limit".
    fileprivate var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        let limited = min(max(seconds, 0), 1_000_000)
        return max(1, Int(limited) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
    }
}

extension UnsafeRawBufferPointer.SubSequence {
    fileprivate func trimmingBlanks() -> Self {
        var rest = self
        while let first = rest.first, first == 32 || first == 9 { rest.removeFirst() }
        while let last = rest.last, last <= 32 { rest.removeLast() }
        return rest
    }
}
