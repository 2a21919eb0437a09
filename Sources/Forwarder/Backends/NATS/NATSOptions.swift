import CNATS
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// libnats' options of one connection. Used and let go by the call that opens it.
final class NATSOptions {
    struct Callbacks {
        var closed: natsConnectionHandler
        var failed: natsErrHandler
        var context: UnsafeMutableRawPointer?
    }

    let raw: OpaquePointer

    init(_ endpoint: NATSEndpoint, _ callbacks: Callbacks) throws(NATSConnection.Failure) {
        var made: OpaquePointer?
        try NATSConnection.check("make options", natsOptions_Create(&made))
        guard let made else { preconditionFailure("a call that succeeds gives a handle") }
        raw = made
        try set(endpoint, callbacks)
        try authenticate(endpoint.authentication)
        if let tls = endpoint.tls { try secure(tls) }
    }

    deinit { natsOptions_Destroy(raw) }

    private func set(_ endpoint: NATSEndpoint, _ callbacks: Callbacks) throws(NATSConnection.Failure) {
        var servers = endpoint.servers.map { UnsafePointer<CChar>(strdup($0.text)) }
        defer { for server in servers { free(UnsafeMutablePointer(mutating: server)) } }
        let wait = Self.milliseconds(endpoint.connectTimeout)
        for status in [
            natsOptions_SetServers(raw, &servers, Int32(servers.count)),
            natsOptions_SetName(raw, "holdfast"),
            natsOptions_SetTimeout(raw, wait),
            natsOptions_SetWriteDeadline(raw, Self.milliseconds(endpoint.timeout)),
            // The lane tries again, and knows what may have arrived.
            natsOptions_SetAllowReconnect(raw, false),
            natsOptions_SetSendAsap(raw, true),
            // A peer that vanished is noticed within half a minute.
            natsOptions_SetPingInterval(raw, 10_000),
            natsOptions_SetMaxPingsOut(raw, 2),
            natsOptions_SetClosedCB(raw, callbacks.closed, callbacks.context),
            natsOptions_SetErrorHandler(raw, callbacks.failed, callbacks.context),
        ] { try NATSConnection.check("set an option", status) }
    }

    static func milliseconds(_ duration: Duration) -> Int64 { max(1, duration.wholeNanoseconds / 1_000_000) }

    private func authenticate(_ authentication: NATSEndpoint.Authentication) throws(NATSConnection.Failure) {
        let status =
            switch authentication {
            case .none: NATS_OK
            case .login(let login): natsOptions_SetUserInfo(raw, login.user, login.password.reveal)
            case .token(let token): natsOptions_SetToken(raw, token.reveal)
            case .credentials(let file): natsOptions_SetUserCredentialsFromFiles(raw, file, nil)
            }
        try NATSConnection.check("credentials", status)
    }

    /// Debian's own store, where the config names no authority: libnats looks for none.
    private static let systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"

    private func secure(_ tls: TLSOptions) throws(NATSConnection.Failure) {
        try NATSConnection.check("tls", natsOptions_SetSecure(raw, true))
        if let cert = tls.certFile, let key = tls.keyFile {
            try NATSConnection.check("tls.cert_file", natsOptions_LoadCertificatesChain(raw, cert, key))
        }
        guard !tls.insecureSkipVerify else {
            return try NATSConnection.check("tls", natsOptions_SkipServerVerification(raw, true))
        }
        try NATSConnection.check(
            "tls.ca_file", natsOptions_LoadCATrustedCertificates(raw, tls.caFile ?? Self.systemAuthorities))
        try NATSConnection.check("tls.server_name", natsOptions_SetExpectedHostname(raw, tls.serverName))
    }
}
