import Metrics
import WALStore

/// Asks the running daemon for dead letters, page by page; when none runs, the spools that it left.
struct LetterReader: Sendable {
    private let configuration: Configuration
    private enum Place: Sendable {
        case daemon(AdminClient)
        case stopped(StoppedSpools, AdminClient)
    }
    private let place: Place
    let address: ListenAddress

    init(_ configuration: Configuration) async throws(CommandFailure) {
        let client = AdminClient(configuration)
        address = client.address
        self.configuration = configuration
        do throws(AdminClient.Failure) {
            _ = try await client.get("/v1/version")
            place = .daemon(client)
        } catch {
            guard case .notRunning = error else { throw error.asCommandFailure(client.address) }
            try StoppedData.checkOwner(configuration.dataDirectory)
            do throws(SpoolError) {
                place = .stopped(try await StoppedSpools(configuration.dataDirectory), client)
            } catch {
                throw CommandFailure("no daemon answers at \(client.address), and \(error)")
            }
        }
    }

    /// The daemon, for what only it can do.
    func daemon() throws(CommandFailure) -> AdminClient {
        guard case .daemon(let client) = place else {
            throw CommandFailure("no daemon answers at \(address), and a stopped node's spools are only read")
        }
        return client
    }

    /// The request as of now: what comes later, such as what is refused once more, is not meant.
    func bounded(_ request: LetterRequest) async throws(CommandFailure) -> LetterRequest {
        let query = request.tenant.map { "?tenant=\(LetterReader.encoded($0))" } ?? ""
        let answer = try await daemon().asked { (client) async throws(AdminClient.Failure) in
            try await client.get("/v1/dead/newest\(query)")
        }
        guard let tenant = answer["tenant"]?.string else {
            throw CommandFailure("the daemon at \(address) does not say which letter is the newest")
        }
        var request = request
        request.tenant = tenant
        request.until = answer["newest"]?.string.flatMap { LetterID($0) } ?? LetterID(tenant: tenant, number: 0)
        return request
    }

    /// How many the filters let through.
    func count(_ request: LetterRequest) async throws(CommandFailure) -> Int64 {
        var count: Int64 = 0
        try await each(request) { (_) throws(CommandFailure) in
            count += 1
            return true
        }
        return count
    }

    /// Calls `body` with each letter, a page at a time in memory, until it returns false.
    ///
    /// - Returns: whether there is nothing behind the last one it was called with.
    @discardableResult
    func each(
        _ request: LetterRequest, _ kind: LetterKind = .dead, _ body: (JSONValue) throws(CommandFailure) -> Bool,
        endOfPage: () -> Void = {}
    ) async throws(CommandFailure) -> Bool {
        var request = request
        while true {
            let page = try await page(request, kind)
            let letters = page[kind.key]?.array ?? []
            let next = page["next"]?.string.flatMap { LetterID($0) }
            for (index, letter) in letters.enumerated() where try !body(letter) {
                endOfPage()
                return index == letters.count - 1 && next == nil
            }
            endOfPage()
            guard let next else { return true }
            request.after = next
        }
    }

    private func page(_ request: LetterRequest, _ kind: LetterKind) async throws(CommandFailure) -> JSONValue {
        switch place {
        case .daemon(let client): return try await page(request, kind, of: client)
        case .stopped(let spools, let client):
            if let mistake = strangeBackend(request) { throw CommandFailure(mistake.description) }
            do throws(SpoolError) { return try await spools.page(request, kind) } catch {
                // A node was started meanwhile: it has the rest.
                if error.isHeldElsewhere, !error.isHeldByReader { return try await page(request, kind, of: client) }
                throw CommandFailure(error.description)
            }
        }
    }

    /// As a running node has it, by its config and by what it wrote down last.
    private func strangeBackend(_ request: LetterRequest) -> LetterRequest.Mistake? {
        let configured = configuration.tenants.filter { $0.id == request.tenant ?? $0.id }.flatMap(\.backends)
        let last = WALStore.lastStatuses(directory: configuration.dataDirectory)?.entries ?? []
        let left = last.filter { $0.status.tenant == request.tenant ?? $0.status.tenant }
        return request.strangeBackend(known: configured + left.flatMap { $0.status.backends.map(\.name) })
    }

    private func page(
        _ request: LetterRequest, _ kind: LetterKind, of client: AdminClient
    ) async throws(CommandFailure) -> JSONValue {
        let query = request.words.map { "\($0.name)=\(LetterReader.encoded($0.value))" }.joined(separator: "&")
        return try await client.asked { (client) async throws(AdminClient.Failure) in
            try await client.get("\(kind.path)?\(query)")
        }
    }

    func letter(_ id: LetterID) async throws(CommandFailure) -> JSONValue {
        switch place {
        case .daemon(let client):
            return try await client.asked { (client) async throws(AdminClient.Failure) in
                try await client.get("/v1/dead/\(LetterReader.encoded(id.tenant))/\(id.number)")
            }
        case .stopped(let spools, _):
            let found: DeadLetterWithPoint?
            do throws(SpoolError) { found = try await spools.letter(id) } catch {
                throw CommandFailure(error.description)
            }
            guard let found else { throw CommandFailure("there is no dead letter \(id)") }
            return found.json(tenant: id.tenant)
        }
    }

    /// <https://www.rfc-editor.org/rfc/rfc3986#section-2.1>
    static func encoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default: encoded += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return encoded
    }
}

extension AdminClient {
    /// Asks, and tells the user why there is no answer.
    func asked(
        _ body: (AdminClient) async throws(Failure) -> JSONValue
    ) async throws(CommandFailure) -> JSONValue {
        do throws(Failure) { return try await body(self) } catch { throw error.asCommandFailure(address) }
    }
}
