/// Who signs a request for a service of Amazon, or one that is asked in the same way: Signature Version 4.
///
/// libcurl signs; of the body it signs the digest that we name.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>,
/// <https://curl.se/libcurl/c/CURLOPT_AWS_SIGV4.html>
public struct AWSSignature: Sendable, Hashable {
    public var region: String
    /// `aps` for Amazon Managed Prometheus, `es` for OpenSearch, `aoss` for its serverless form.
    public var service: String
    public var accessKey: String
    public var secretKey: Secret
    /// Of temporary credentials.
    public var sessionToken: Secret?

    public init(region: String, service: String, accessKey: String, secretKey: Secret, sessionToken: Secret? = nil) {
        self.region = region
        self.service = service
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    /// Part of the signature; in the order of their names, as libcurl 7.88 signs them in the order in which they come.
    func headers(for body: [UInt8]) -> [(name: String, value: String)] {
        var headers = [(name: "X-Amz-Content-Sha256", value: SHA256Digest.hexadecimal(SHA256Digest.of(body)))]
        if let sessionToken { headers.append(("X-Amz-Security-Token", sessionToken.reveal)) }
        return headers
    }
}
