package main

import (
	"slices"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// linkStages are what a link goes through before its mappings are tried.
var linkStages = []string{"name", "tcp", "hostkey", "login"}

// failsAt is the stage at which a tunnel with that reason stopped.
var failsAt = map[tunnel.Reason]string{
	tunnel.UnknownHost: "name", tunnel.NameLookupFailed: "name",
	tunnel.Unreachable:     "tcp",
	tunnel.HandshakeClosed: "hostkey", tunnel.HandshakeTimeout: "hostkey", tunnel.AlgorithmRefused: "hostkey", tunnel.HostKeyMismatch: "hostkey",
	tunnel.LoginRefused: "login", tunnel.SecretMissing: "login", tunnel.SecretUnreadable: "login",
}

// stages are the stages of t as its status tells them: each ok, failed, or not known yet (running). Stages before one
// that failed went well; a standing link went through all.
func stages(t control.Tunnel) []control.Step {
	linked := tunnel.State(t.State).Linked() || slices.ContainsFunc(t.Mappings, func(m control.Mapping) bool {
		return m.State != string(tunnel.Down)
	})
	failed := len(linkStages)
	if !linked && t.Reason != nil {
		if at := slices.Index(linkStages, failsAt[tunnel.Reason(*t.Reason)]); at >= 0 {
			failed = at
		}
	}
	var out []control.Step
	for i, name := range linkStages {
		s := control.Step{Name: name, State: control.StepRunning}
		switch {
		case linked, failed < len(linkStages) && i < failed:
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
