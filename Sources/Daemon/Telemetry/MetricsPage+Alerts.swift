import Forwarder

extension MetricsPage {
    /// What fires, and who was told. Nothing where the config names no Alertmanager.
    func writeAlerts(into page: inout ExpositionWriter) {
        guard let alerts = report.alerts else { return }
        page.family("holdfast_alerts_firing", .gauge, "Alerts that are told to the Alertmanagers.")
        page.sample("holdfast_alerts_firing", [], Double(alerts.firing))
        page.family("holdfast_alerts_left_out", .gauge, "Alerts that are not told, as there are too many.")
        page.sample("holdfast_alerts_left_out", [], Double(alerts.leftOut))
        let counters: [(String, String, (AlertmanagerStatus) -> UInt64)] = [
            ("holdfast_alerts_sent_total", "Alerts that an Alertmanager took; each time counts.", { $0.sentAlerts }),
            (
                "holdfast_alerts_failed_total", "Alerts of requests that it refused, in part too, or did not answer.",
                { $0.failedAlerts }
            ),
        ]
        for (name, help, value) in counters {
            page.family(name, .counter, help)
            for one in alerts.alertmanagers {
                page.sample(name, [("alertmanager", one.url)], Double(value(one)))
            }
        }
        let name = "holdfast_alerts_last_success_timestamp_seconds"
        page.family(name, .gauge, "When an Alertmanager took alerts last; absent before that.")
        for one in alerts.alertmanagers where one.lastSuccessAt > 0 {
            page.sample(name, [("alertmanager", one.url)], Double(one.lastSuccessAt) / 1e9)
        }
    }
}
