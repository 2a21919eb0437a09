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

/// The library that owns the sockets to the backends.
public enum TransferEngine {
    /// libcurl's version, and that of the TLS library below it: `7.88.1 OpenSSL/3.0.17`.
    public static var version: String {
        // The first block of every libcurl has these fields: <https://curl.se/libcurl/c/curl_version_info.html>
        guard let info = curl_version_info(CURLVERSION_FIRST)?.pointee, let version = info.version else {
            return "unknown"
        }
        return String(cString: version) + (info.ssl_version.map { " " + String(cString: $0) } ?? "")
    }
}
