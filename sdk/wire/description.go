package wire

import (
	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func descriptionTo(d tunnel.Description) *pluginv1.Description {
	return &pluginv1.Description{
		Name: d.Name, Version: d.Version, Schema: d.Schema,
		Slots: each(d.Slots, func(s tunnel.Slot) *pluginv1.Slot {
			return &pluginv1.Slot{Name: s.Name, Title: s.Title, Kinds: each(s.Kinds, word), Spec: s.Spec, On: s.On, Ports: each(s.Ports, tunnel.PortRange.String)}
		}),
		Policy: &pluginv1.Policy{Any: d.Policy.Any, Kinds: each(d.Policy.Kinds, word), Ports: each(d.Policy.Ports, tunnel.PortRange.String)},
		Grants: each(d.Grants, func(g tunnel.Grant) string { return string(g) }), Capabilities: d.Capabilities,
		Actions: each(d.Actions, func(a tunnel.Action) *pluginv1.Action {
			return &pluginv1.Action{Name: a.Name, Title: a.Title, Help: a.Help, Arguments: a.Arguments, DryRun: a.DryRun, LimitSeconds: uint32(a.Seconds)}
		}),
		Jobs: each(d.Jobs, func(j tunnel.Job) *pluginv1.Job {
			return &pluginv1.Job{Name: j.Name, Title: j.Title, Help: j.Help, DryRun: j.DryRun, LimitSeconds: uint32(j.Seconds)}
		}),
	}
}

// descriptionOf takes what a module says of itself. Its texts are shown to people, so they are escaped.
func descriptionOf(m *pluginv1.Description) tunnel.Description {
	return tunnel.Description{
		Name: clean(m.GetName()), Version: clean(m.GetVersion()), Schema: m.GetSchema(),
		Slots: each(m.GetSlots(), func(s *pluginv1.Slot) tunnel.Slot {
			return tunnel.Slot{Name: clean(s.GetName()), Title: clean(s.GetTitle()), Kinds: each(s.GetKinds(), kind), Spec: clean(s.GetSpec()), On: s.GetOn(), Ports: each(s.GetPorts(), ports)}
		}),
		Policy:       tunnel.Policy{Any: m.GetPolicy().GetAny(), Kinds: each(m.GetPolicy().GetKinds(), kind), Ports: each(m.GetPolicy().GetPorts(), ports)},
		Grants:       each(m.GetGrants(), func(g string) tunnel.Grant { return tunnel.Grant(clean(g)) }),
		Capabilities: each(m.GetCapabilities(), clean),
		Actions: each(m.GetActions(), func(a *pluginv1.Action) tunnel.Action {
			return tunnel.Action{
				Name: clean(a.GetName()), Title: clean(a.GetTitle()), Help: clean(a.GetHelp()), Arguments: a.GetArguments(), DryRun: a.GetDryRun(), Seconds: int(a.GetLimitSeconds()),
			}
		}),
		Jobs: each(m.GetJobs(), func(j *pluginv1.Job) tunnel.Job {
			return tunnel.Job{Name: clean(j.GetName()), Title: clean(j.GetTitle()), Help: clean(j.GetHelp()), DryRun: j.GetDryRun(), Seconds: int(j.GetLimitSeconds())}
		}),
	}
}

func word(k tunnel.Kind) string { return string(k) }

func kind(s string) tunnel.Kind { return tunnel.Kind(clean(s)) }

// ports reads a range of ports. What is none becomes the zero range, which tunnel.CheckDescription refuses.
func ports(s string) tunnel.PortRange {
	r, _ := tunnel.ParsePortRange(s)
	return r
}

func clean(s string) string { return tunnel.Clean(s, MaxText) }
