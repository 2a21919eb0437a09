#if canImport(Glibc)
    import Glibc
#endif

/// What the daemon needs of its folder before it looks at any tenant.
extension SpoolInspection {
    /// Why this process could not make new names in the data folder: another user's, or a mode that keeps it out. nil where
    /// nothing speaks against it, or there is no folder yet.
    ///
    /// Not every call that needs the right comes at the start: the summary is replaced later, and the admin socket is made
    /// when everything else works.
    public static func refusal(of directory: String) -> SpoolError? {
        let fault = PathFault.find(directory, .folder, for: FolderUser(of: directory))
        switch fault?.cause {
        case .owner, .mode:
            return SpoolError(
                .unavailable, "\(fault?.message ?? ""). \(fault?.advice ?? "")",
                cause: String(cString: strerror(EACCES)))
        default: return nil
        }
    }

    /// Why the data folder itself cannot be used; nil when it can, or there is none yet.
    public static func lookAtFolder(_ directory: String) -> Remark? {
        let user = FolderUser(of: directory)
        guard let fault = PathFault.find(directory, .folder, for: user) else { return nil }
        switch fault.cause {
        case .inTheWay:
            return Remark(.error, fault, "Move it away, or choose another data_dir: the daemon waits, and answers 503.")
        case .owner:
            let other = user.folderOwner.map { "user \($0)" } ?? "its owner"
            return Remark(.error, fault, "If the daemon runs as \(other), look as that user or as root.", fault.advice)
        default: return Remark(.error, fault, fault.advice, "The daemon waits until then, and answers 503.")
        }
    }

    /// Remarks on what all tenants share in the data folder: only what is wrong.
    ///
    /// - Returns: also whether the tenants can be looked at.
    public static func lookAtSharedFiles(_ directory: String) -> (remarks: [Remark], tenantsAreThere: Bool) {
        let user = FolderUser(of: directory)
        var remarks: [Remark] = []
        var tenantsAreThere = true
        for name in ["tenants", "sequences"] {
            guard let fault = PathFault.find("\(directory)/\(name)", .folder, for: user) else { continue }
            tenantsAreThere = false
            let way =
                fault.cause == .inTheWay
                ? "Move it away, and put the right one back before the daemon makes an empty one." : fault.advice
            remarks.append(Remark(.error, fault, way, "All requests are answered with 503 until then."))
        }
        if let fault = PathFault.find("\(directory)/LOCK", .file, for: user) {
            remarks.append(
                fault.cause == .inTheWay
                    ? Remark(.warning, fault, movedAside("at its next start"))
                    : Remark(.error, fault, fault.advice, "The daemon does not start until then, and answers 503."))
        }
        for (name, loss) in [
            (
                "summary",
                "Without it a start looks into each spool, and the points of a spool that is gone are not counted."
            ),
            ("ballast", "Without it less can be settled on a full disk."),
        ] {
            guard let fault = PathFault.find("\(directory)/\(name)", .file, for: user) else { continue }
            let way = fault.cause == .inTheWay ? movedAside("at its next start") : fault.advice
            remarks.append(Remark(.warning, fault, way, loss))
        }
        return (remarks, tenantsAreThere)
    }

    static func movedAside(_ moment: String) -> String { "The daemon moves it aside, under a dated name, \(moment)." }
}

extension SpoolInspection.Remark {
    /// - Parameter sentences: what mends it, and what it means; empty ones are left out.
    init(_ severity: SpoolInspection.Severity, tenant: String? = nil, _ fault: PathFault, _ sentences: String...) {
        self.init(
            severity: severity, message: (tenant.map { "\($0): " } ?? "") + fault.message,
            advice: sentences.filter { !$0.isEmpty }.joined(separator: "\n"))
        isOfAStranger = fault.cause == .owner(isStranger: true)
    }
}
