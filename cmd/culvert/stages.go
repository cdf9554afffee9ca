package main

import (
	"slices"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The stage of a link in which its proxy is asked for the way, and those that every link goes through.
const stageProxy = "proxy"

var linkStages = []string{"name", "tcp", "hostkey", "login"}

// stagesOf are what the link of t goes through before its mappings are tried. With a proxy, name and tcp are the proxy's.
func stagesOf(t control.Tunnel) []string {
	if t.Via == "" {
		return linkStages
	}
	return slices.Insert(slices.Clone(linkStages), 2, stageProxy)
}

// failsAt is the stage at which a tunnel with that reason stopped.
var failsAt = map[tunnel.Reason]string{
	tunnel.UnknownHost: "name", tunnel.NameLookupFailed: "name",
	tunnel.Unreachable: "tcp", tunnel.ProxyUnreachable: "tcp", tunnel.ProxyRefused: stageProxy,
	tunnel.HandshakeClosed: "hostkey", tunnel.HandshakeTimeout: "hostkey", tunnel.AlgorithmRefused: "hostkey", tunnel.HostKeyMismatch: "hostkey",
	tunnel.LoginRefused: "login", tunnel.SecretMissing: "login", tunnel.SecretUnreadable: "login",
}

// stages are the stages of t as its status tells them: each ok, failed, or not known yet (running). Stages before one
// that failed went well; a standing link went through all.
func stages(t control.Tunnel) []control.Step {
	linked := tunnel.State(t.State).Linked() || failedStage(t) == "" && slices.ContainsFunc(t.Mappings, func(m control.Mapping) bool {
		return m.State != string(tunnel.Down)
	})
	names := stagesOf(t)
	failed := len(names)
	if at := slices.Index(names, failedStage(t)); !linked && at >= 0 {
		failed = at
	}
	var out []control.Step
	for i, name := range names {
		s := control.Step{Name: name, State: control.StepRunning}
		switch {
		case linked, failed < len(names) && i < failed:
			s.State = control.StepOK
		case i == failed:
			s.State, s.Reason, s.Message, s.Remedy = control.StepFailed, t.Reason, t.Message, t.Remedy
		}
		out = append(out, s)
	}
	if linked {
		for _, m := range t.Mappings {
			out = append(out, mappingStage(m))
		}
	}
	return out
}

// failedStage is the stage at which t stopped, "" where that is not known. A server that is not found or not reached
// behind a proxy is the proxy's answer.
func failedStage(t control.Tunnel) string {
	reason := tunnel.Reason(deref(t.Reason))
	stage := failsAt[reason]
	if t.Via != "" && reason != tunnel.ProxyUnreachable && (stage == "name" || stage == "tcp") {
		return stageProxy
	}
	return stage
}

// mappingStage is running until the mapping has had its verdict.
func mappingStage(m control.Mapping) control.Step {
	s := control.Step{Name: m.Name, State: control.StepRunning, Reason: m.Reason, Message: m.Message, Remedy: m.Remedy}
	switch {
	case m.State == string(tunnel.Up):
		s.State = control.StepOK
	case m.Reason != nil:
		s.State = control.StepFailed
	}
	return s
}
