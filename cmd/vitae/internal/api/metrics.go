package api

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"vitae/sinks"
)

// metrics is the registry of one server. Labels come from closed sets: routes, statuses,
// sinks, phases, projections. No id, and nothing a caller typed, is a label.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	handler  http.Handler
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "vitae_http_requests_total", Help: "Requests by route, method and status."}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "vitae_http_request_duration_seconds", Help: "Time to answer by route and method.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"route", "method"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "vitae_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": s.cfg.Version, "go": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.seconds, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &parts{s: s})
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return m
}

func (m *metrics) request(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route, method).Observe(took.Seconds())
}

func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request) error {
	s.metrics.handler.ServeHTTP(w, r)
	return nil
}

// parts collects what the parts behind the API count themselves.
type parts struct{ s *Server }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("vitae_"+name, help, labels, nil)
}

var (
	descCommits   = desc("commits_total", "Commits that this instance appended.")
	descEvents    = desc("events_total", "Events in them.")
	descBlocks    = desc("blocks_total", "Blocks that this instance appended.")
	descConflicts = desc("append_conflicts_total", "Appends that somebody else's were in the way of.")
	descHot       = desc("hot_profiles", "Profiles in the committer's memory.")
	descHead      = desc("ledger_head_sequence", "The last sequence of the ledger.")

	descViewPosition = desc("projection_position_sequence", "The last sequence applied.", "projection")
	descViewLag      = desc("projection_lag_commits", "Commits not applied yet.", "projection")
	descViewOldest   = desc("projection_oldest_unapplied_seconds", "Age of the oldest commit not applied yet.", "projection")
	descViewRunning  = desc("projection_running", "1 while it follows the ledger.", "projection")

	descLogSize    = desc("log_size", "Leaves of the transparency log on this instance.")
	descLogSigned  = desc("log_signed_size", "Leaves under the checkpoint that this instance serves.")
	descLogLag     = desc("log_lag_commits", "Commits that are not under that checkpoint.")
	descLogHealthy = desc("log_healthy", "1 while the log follows the ledger and signs.")

	descFeedApplied = desc("changes_applied_sequence", "The last commit whose events are in the feed, as far as this instance knows.")
	descFeedHead    = desc("changes_head_sequence", "The last event of the feed that readers of this instance can have.")
	descFeedReaders = desc("changes_waiting_readers", "Readers of the feed that wait for an event.")
	descFeedStopped = desc("changes_stopped", "1 when this instance cannot write the feed any more, and a person must look.")

	descSinkPaused    = desc("sink_paused", "1 while the sink is paused.", "sink")
	descSinkLag       = desc("sink_lag_events", "Edits that are not delivered yet.", "sink")
	descSinkFresh     = desc("sink_freshness_seconds", "Age of the oldest edit that is not delivered.", "sink")
	descSinkLanes     = desc("sink_lanes", "Lanes by phase.", "sink", "phase")
	descSinkOldest    = desc("sink_lane_oldest_age_seconds", "Age of the lane that is longest in the phase.", "sink", "phase")
	descSinkAccounts  = desc("sink_paused_accounts", "Accounts that are paused.", "sink")
	descSinkCalls     = desc("sink_calls_total", "Calls by what came of them.", "sink", "verdict")
	descSinkSkipped   = desc("sink_skipped_unchanged_total", "Looks at a lane that needed no call.", "sink")
	descSinkUncertain = desc("sink_uncertain_total", "Calls whose outcome was unknown.", "sink")
	descSinkParked    = desc("sink_parked_total", "Edits that were parked.", "sink")
	descSinkUnknown   = desc("sink_unknown_types_total", "Answers that the provider's documents do not name.", "sink")
	descSinkTokens    = desc("sink_bucket_tokens", "Calls left in the emptiest bucket.", "sink")
	descSinkResolved  = desc("sink_resolved_total", "Doubts that were settled, by what settled them.", "sink", "by")
	descSinkRenewals  = desc("sink_renewals_total", "Renewals of credentials by what came of them.", "sink", "verdict")
	descSinkOrphans   = desc("sink_orphans_total", "Results of steps that were of no use in the end.", "sink")
	descSinkDrifted   = desc("sink_drifted", "Entities that the last plan found changed by somebody else.", "sink")
	descSinkHealth    = desc("sink_health", "1 at what the sink does now, 0 at the others.", "sink", "health")
	descSinkNoOp      = desc("sink_noop_ratio", "Part of all looks at a lane that needed no call.", "sink")
)

// Describe implements prometheus.Collector. It names nothing: what there is to collect
// depends on which instance runs the sinks, and New must not wait for anybody.
func (p *parts) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (p *parts) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	st := p.s.Core.Stats()
	counter(descCommits, float64(st.Commits))
	counter(descEvents, float64(st.Events))
	counter(descBlocks, float64(st.Blocks))
	counter(descConflicts, float64(st.Conflicts))
	gauge(descHot, float64(st.HotProfiles))
	if head, err := p.s.Core.Head(ctx); err == nil {
		gauge(descHead, float64(head))
	}
	for _, v := range p.s.Projections {
		h, err := v.Health(ctx, p.s.now())
		if err != nil {
			continue // readyz says so; a scrape shows the rest
		}
		gauge(descViewPosition, float64(h.Position), h.Name)
		gauge(descViewLag, float64(h.Lag), h.Name)
		gauge(descViewOldest, h.Oldest.Seconds(), h.Name)
		gauge(descViewRunning, flag(h.Running), h.Name)
	}
	if t := p.s.Transparency; t != nil {
		if h, err := t.Health(ctx); err == nil {
			gauge(descLogSize, float64(h.Size))
			gauge(descLogSigned, float64(h.Signed))
			gauge(descLogLag, float64(h.Lag))
			gauge(descLogHealthy, flag(logHealth(h, nil) == nil))
		}
	}
	if f := p.s.Feed; f != nil {
		gauge(descFeedApplied, float64(f.Applied()))
		gauge(descFeedHead, float64(f.Head()))
		gauge(descFeedReaders, float64(f.Waiting()))
		gauge(descFeedStopped, flag(f.Err() != nil))
	}
	all, err := p.s.Sinks.Metrics(ctx)
	if err != nil {
		return // another instance runs them
	}
	for _, m := range all {
		gauge(descSinkPaused, flag(m.Paused), m.Sink)
		gauge(descSinkLag, float64(m.LagEvents), m.Sink)
		gauge(descSinkFresh, m.FreshnessSeconds, m.Sink)
		gauge(descSinkAccounts, float64(m.PausedAccounts), m.Sink)
		for phase, n := range m.Lanes {
			gauge(descSinkLanes, float64(n), m.Sink, phase.String())
		}
		for phase, age := range m.OldestSeconds {
			gauge(descSinkOldest, age, m.Sink, phase.String())
		}
		for _, one := range []struct {
			desc *prometheus.Desc
			by   map[string]uint64
		}{{descSinkCalls, m.Calls}, {descSinkResolved, m.Resolved}, {descSinkRenewals, m.Renewals}} {
			for label, n := range one.by {
				counter(one.desc, float64(n), m.Sink, label)
			}
		}
		for _, h := range []sinks.Health{sinks.HealthIdle, sinks.HealthActive, sinks.HealthFailing, sinks.HealthStalled, sinks.HealthPaused} {
			gauge(descSinkHealth, flag(m.Health == h), m.Sink, string(h))
		}
		counter(descSinkOrphans, float64(m.Orphans), m.Sink)
		gauge(descSinkDrifted, float64(m.Drifted), m.Sink)
		counter(descSinkSkipped, float64(m.SkippedUnchanged), m.Sink)
		counter(descSinkUncertain, float64(m.Uncertain), m.Sink)
		counter(descSinkParked, float64(m.ParkedTotal), m.Sink)
		counter(descSinkUnknown, float64(m.UnknownTypes), m.Sink)
		gauge(descSinkTokens, m.BucketTokens, m.Sink)
		gauge(descSinkNoOp, m.NoOpRatio, m.Sink)
	}
}
