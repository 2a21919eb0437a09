import Forwarder
import Metrics
import WALStore

/// The config in the terms of the rooms that it configures.
extension Configuration {
    var spools: [SpoolConfiguration] {
        let registrations = backends.map(\.registration)
        return tenants.map { tenant in
            var spool = tenant.spoolConfiguration(registrations)
            if tenant.keepsChain { spool.chain = chain.key }
            return spool
        }
    }

    var routes: [DeliveryRoute] {
        tenants.flatMap { tenant in
            tenant.backends.compactMap { name in
                backend(name).map {
                    DeliveryRoute(
                        tenant: tenant.id, name: name, backend: $0.backend, order: $0.order,
                        router: rules(of: tenant, at: $0).map { SeriesRouter($0) })
                }
            }
        }
    }

    private func rules(of tenant: TenantSection, at backend: BackendSection) -> RouteRules? {
        if let own = tenant.rules[backend.name] { return own }
        return backend.rules
    }

    /// The page of a tenant's backend; nil where it has none of this name that is exposed.
    func exposition(_ name: String, of tenant: String) -> PrometheusExposition? {
        guard tenants.first(where: { $0.id == tenant })?.backends.contains(name) == true else { return nil }
        return backend(name)?.backend as? PrometheusExposition
    }

    /// A backend whose section did not change goes on as it is, with what it has open and has learned.
    mutating func keepUnchangedBackends(of old: Configuration) {
        for index in backends.indices {
            guard let before = old.backend(backends[index].name), before.fingerprint == backends[index].fingerprint
            else { continue }
            backends[index].backend = before.backend
        }
    }

    var scrapes: [ScrapeJob] {
        scrapeJobs.map { section in
            var job = ScrapeJob(name: section.job, tenant: section.tenant, targets: section.targets)
            job.fileDiscovery = section.fileDiscovery
            job.interval = section.interval
            job.timeout = section.timeout
            job.labels = section.labels.map { ScrapeJob.Label(name: $0.name, value: $0.value) }
            job.metricsPath = section.metricsPath
            job.scheme = section.scheme.rawValue
            job.honorsLabels = section.honorsLabels
            job.authentication = section.authentication
            job.tls = section.tls
            return job
        }
    }

    var ingest: IngestSettings {
        var settings = IngestSettings(
            tenants: tenants.map(\.id), openTenant: openTenant, version: HoldfastVersion.text)
        settings.access = tenants.filter { !$0.credentials.isEmpty }.map { tenant in
            AccessRule(
                tenant: tenant.id, tokens: tenant.credentials.tokens,
                users: tenant.credentials.users.map { AccessRule.User(name: $0.name, password: $0.password) })
        }
        settings.limits.wire = server.wireLimits
        settings.limits.bodyBytes = server.limits.bodyBytes
        settings.limits.nodeMemoryBytes = server.limits.ingestBytes
        // One tenant leaves a quarter to the others.
        settings.limits.tenantMemoryBytes =
            tenants.count == 1 ? server.limits.ingestBytes : server.limits.ingestBytes / 4 * 3
        return settings
    }
}
