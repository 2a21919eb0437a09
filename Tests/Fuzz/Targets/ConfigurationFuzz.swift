import Forwarder

@testable import Daemon

extension FuzzTarget {
    /// A config file: an error with a line, or settings that can be summed up and checked for what they warn of.
    static let configuration = FuzzTarget("configuration", seeds: { seeds }) { bytes in
        let text = Array(bytes)
        do throws(SettingsError) {
            _ = try YAMLReader.read(text, limits: YAMLLimits(bytes: 4096, depth: 8, nodes: 512))
        } catch {
            try require(error.line >= 0, "an error names a line")
        }
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try Configuration.parse(text, file: nil, readSecret: { _ in "secret" })
        } catch {
            try require(!error.description.isEmpty, "a refusal says why")
            return
        }
        try require(!configuration.tenants.isEmpty, "there is somebody to work for")
        for tenant in configuration.tenants {
            for name in tenant.backends { try require(configuration.backend(name) != nil, "backend \(name) is there") }
        }
    }

    private static let seeds: [[UInt8]] = [
        "",
        """
        backends:
          a:
            type: archive
            route:
              match: [up, '{job=~"a|b"}']
              sample: 10%
              external_labels: { site: x }
              relabel: [{ source_labels: [a, b], regex: '(.)(?P<n>.*)', target_label: c, replacement: "${n}" }]
        tenants: { t: { routes: { a: { drop: [up], relabel: [{ action: hashmod, modulus: 3, target_label: x }] } } } }
        """,
        """
        data_dir: /var/lib/holdfast
        server:
          listen: 127.0.0.1:9009
          admin: unix:/run/holdfast/admin.sock
        backends:
          central: { type: prometheus_remote_write, url: "http://127.0.0.1:9090/api/v1/write" }
          influx: { type: influxdb, version: 1, url: "http://127.0.0.1:8086", database: metrics }
          search: { type: elasticsearch, url: "http://127.0.0.1:9200", index: "metrics-{tenant}" }
          splunk: { type: splunk_hec, url: "https://127.0.0.1:8088", token: env:T, ack: true, tokens: { other: env:U } }
          datadog: { type: datadog, site: datadoghq.eu, api_key: env:K, counters: typed, historical: true }
          newrelic: { type: newrelic, region: eu, api_key: env:K, query_key: env:Q, account_id: 5 }
          log: { type: kafka, brokers: ["a:9092", "[::1]:9093"], topic: "m-{tenant}", key: none }
          topics: { type: mqtt, url: "mqtts://h", client_id: n, topic: "m/{tenant}", qos: 2, protocol: 3.1.1 }
          stream: { type: nats_jetstream, url: [nats://a, "nats://b:4223"], subject: "m.{tenant}", payload: json }
          files: { type: archive, rotate_size: 1MiB, rotate_after: 30s, backfill: 24h }
          own:
            type: http
            url: "http://127.0.0.1:9/{tenant}"
            template: '{"m":"{name}","l":"{label:x}","v":{value}}'
            outcomes: [{ status: [409, 500-599], body: there, outcome: already_there }]
          program: { type: exec, command: [/bin/cat, -u], limits: { memory: 64MiB, files: 64 } }
          live: { type: grafana_live, url: "http://127.0.0.1:3000", stream: "hf-{tenant}", frame_format: wide }
          page: { type: prometheus_exposition, expiry: 1h, max_series: 5, timestamps: true }
          gateway: { type: prometheus_pushgateway, url: "http://127.0.0.1:9091", grouping: { tenant: "{tenant}" } }
        alertmanager: { urls: ["http://a:9093", "http://b:9093"], tenant: ops, external_labels: { instance: n }, hold: 1h }
        tenants:
          default: { backends: [central, influx], retain: 24h, when_full: drop_oldest, max_bytes: 1GiB }
          other:
            backends: [search, files]
            credentials: { tokens: ["env:TOKEN"] }
        """,
        "a: &x [1, *x]\nb: !!str c\n? d\n: |\n  text\n",
        "tenants: {default: {backends: [nobody]}}\nlog: {level: loud}\n",
    ].map { Array($0.utf8) }
}
