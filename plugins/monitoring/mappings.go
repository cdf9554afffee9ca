package main

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

var (
	mappingLabels = []string{"tunnel", "owner", "mapping", "kind"}

	mappingUp       = ofMapping("up", "Whether the mapping is proved to carry data.")
	mappingProblem  = ofMapping("problem", "1 with the reason why the mapping is not up, and its cause where that is told apart.", "reason", "cause")
	mappingProved   = ofMapping("proved_timestamp_seconds", "When a proof of the mapping last held.")
	mappingTarget   = ofMapping("target_proved_timestamp_seconds", "When the service behind the mapping last answered.")
	mappingListens  = ofMapping("listener_state", "1 for whether the mapping's port leads to the PBX, 0 for the others.", "state")
	mappingAnswers  = ofMapping("target_state", "1 for whether the service behind the mapping answers, 0 for the others.", "state")
	mappingBound    = ofMapping("bound", "1 for where the mapping's port can be connected to from, 0 for the others.", "bound")
	mappingOpen     = ofMapping("connections", "Connections open through the mapping.")
	mappingAccepted = ofMapping("accepted_connections_total", "Connections that were ever opened through the mapping.")
	mappingRefused  = ofMapping("refused_connections_total", "Connections refused because too many were open or waiting, or because they waited in vain.")
	mappingFrom     = ofMapping("in_bytes_total", "Bytes from the site to the PBX.")
	mappingTo       = ofMapping("out_bytes_total", "Bytes from the PBX to the site.")
	mappingCallers  = ofMapping("callers", "Addresses that connected through the mapping lately; the host remembers the last 16.")
	callerTotal     = ofMapping("caller_connections_total", "Connections of one of these addresses.", "caller")

	mappingMetrics = []*prometheus.Desc{
		mappingUp, mappingProblem, mappingProved, mappingTarget, mappingListens, mappingAnswers, mappingBound, mappingOpen,
		mappingAccepted, mappingRefused, mappingFrom, mappingTo, mappingCallers, callerTotal,
	}

	statements = []tunnel.State{tunnel.Up, tunnel.Unproved, tunnel.Down}
	bounds     = []tunnel.Bound{tunnel.BoundLoopback, tunnel.BoundAll, tunnel.BoundUnknown}
)

func ofMapping(name, help string, labels ...string) *prometheus.Desc {
	return desc("culvert_mapping_"+name, help, slices.Concat(mappingLabels, labels)...)
}

// collectMapping makes the series of one mapping, which have these labels.
func collectMapping(ch chan<- prometheus.Metric, s tunnel.MappingStatus, labels ...string) {
	ch <- gauge(mappingUp, truth(s.State == tunnel.Up), labels...)
	problem(ch, mappingProblem, s.Reason, s.Diagnosis, labels...)
	moment(ch, mappingProved, s.ProvedAt, labels...)
	moment(ch, mappingTarget, s.TargetProvedAt, labels...)
	oneOf(ch, mappingListens, statements, s.Listener.State, labels)
	oneOf(ch, mappingAnswers, statements, s.Target.State, labels)
	oneOf(ch, mappingBound, bounds, s.Bound, labels)
	ch <- gauge(mappingOpen, float64(s.Connections), labels...)
	ch <- counter(mappingAccepted, float64(s.Total), labels...)
	ch <- counter(mappingRefused, float64(s.Refused), labels...)
	ch <- counter(mappingFrom, float64(s.BytesIn), labels...)
	ch <- counter(mappingTo, float64(s.BytesOut), labels...)
	collectCallers(ch, s.Callers, labels)
}

// collectCallers makes one series per address, also where it connected in several ways.
func collectCallers(ch chan<- prometheus.Metric, callers []tunnel.Caller, labels []string) {
	totals := map[string]uint64{}
	for _, c := range callers {
		totals[c.Address] += c.Total
	}
	ch <- gauge(mappingCallers, float64(len(totals)), labels...)
	for address, total := range totals {
		ch <- counter(callerTotal, float64(total), slices.Concat(labels, []string{address})...)
	}
}

// oneOf makes a series of each of all: 1 for what is, 0 for the others. While nothing is known all are 0.
func oneOf[T ~string](ch chan<- prometheus.Metric, d *prometheus.Desc, all []T, is T, labels []string) {
	for _, v := range all {
		ch <- gauge(d, truth(v == is), slices.Concat(labels, []string{string(v)})...)
	}
}
