import CCurl

/// A URL with another host in it, and where it pointed before.
struct RenamedURL {
    let url: String
    /// IPv6 addresses keep their brackets.
    let originalHost: String
    let originalPort: String

    /// nil when `url` does not parse.
    init?(_ url: String, host: String) {
        guard let parts = curl_url() else { return nil }
        defer { curl_url_cleanup(parts) }
        guard curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK,
            let originalHost = RenamedURL.part(CURLUPART_HOST, of: parts),
            let originalPort = RenamedURL.part(CURLUPART_PORT, of: parts),
            curl_url_set(parts, CURLUPART_HOST, host, 0) == CURLUE_OK,
            let renamed = RenamedURL.part(CURLUPART_URL, of: parts)
        else { return nil }
        self.url = renamed
        self.originalHost = originalHost
        self.originalPort = originalPort
    }

    private static func part(_ part: CURLUPart, of url: OpaquePointer) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(url, part, &text, UInt32(CURLU_DEFAULT_PORT)) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }
}
