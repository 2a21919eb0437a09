import CCurl

/// libcurl's process-wide state: set up once, before the first handle, never torn down.
enum CurlLibrary {
    /// `curl_global_init` is not safe beside itself; a static is initialised once.
    /// <https://curl.se/libcurl/c/curl_global_init.html>
    private static let isReady: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    static func prepare() {
        precondition(isReady, "libcurl can only fail to start without memory or without its TLS library")
    }

    static func describe(_ code: CURLcode) -> String { String(cString: curl_easy_strerror(code)) }
}
