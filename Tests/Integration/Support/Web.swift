import Foundation
import FoundationNetworking

/// Plain requests to servers on loopback.
enum Web {
    static func get(_ url: String) async throws -> (status: Int, body: Data) {
        try await send(url, method: "GET", body: nil, headers: [:])
    }

    static func post(
        _ url: String, _ body: String, headers: [String: String] = [:]
    ) async throws -> (status: Int, body: Data) {
        try await send(url, method: "POST", body: Data(body.utf8), headers: headers)
    }

    static func post(
        _ url: String, _ body: Data, headers: [String: String]
    ) async throws -> (status: Int, body: Data) {
        try await send(url, method: "POST", body: body, headers: headers)
    }

    /// Whether `url` answers with a 2xx; false while nothing listens.
    static func isUp(_ url: String) async -> Bool {
        guard let answer = try? await get(url) else { return false }
        return (200..<300).contains(answer.status)
    }

    static func json(_ url: String) async throws -> [String: Any] {
        let answer = try await get(url)
        guard answer.status == 200,
            let object = try JSONSerialization.jsonObject(with: answer.body) as? [String: Any]
        else {
            throw TestFailure(
                "\(url) answered \(answer.status): \(String(decoding: answer.body.prefix(300), as: UTF8.self))")
        }
        return object
    }

    static func escape(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
    }

    private static func send(
        _ url: String, method: String, body: Data?, headers: [String: String]
    ) async throws -> (status: Int, body: Data) {
        guard let address = URL(string: url) else { throw TestFailure("\(url) is no URL") }
        var request = URLRequest(url: address, timeoutInterval: 30)
        request.httpMethod = method
        request.httpBody = body
        for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
        let (data, response) = try await URLSession.shared.data(for: request)
        guard let response = response as? HTTPURLResponse else { throw TestFailure("\(url): no HTTP answer") }
        return (response.statusCode, data)
    }
}
