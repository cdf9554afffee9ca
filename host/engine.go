package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/culvert-pbx/culvert/host/pluginhost"
	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/supervisor"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// engine is the SSH engine as the supervisor asks for it.
type engine struct {
	keys     sshtunnel.KeyPair
	crossing *sshtunnel.Crossing
	limits   *sshtunnel.Limits
}

func (e engine) Run(ctx context.Context, a *supervisor.Attempt, stands func(context.Context, supervisor.Link) func()) error {
	return sshtunnel.Run(ctx, e.config(a), func(ctx context.Context, l *sshtunnel.Link) func() { return stands(ctx, link{l}) })
}

// config is what the attempt asks of the SSH engine.
func (e engine) config(a *supervisor.Attempt) *sshtunnel.Config {
	admit, missed, stage := a.Admit, a.Missed, a.Stage // not with a, of which a link keeps nothing else
	return &sshtunnel.Config{
		Server: a.Server, Via: a.Via, LAN: a.LAN, Earlier: a.Earlier, Credential: a.Credential, Pin: a.Pin, Fingerprint: a.Fingerprint, Log: a.Log, Limits: e.limits,
		Label: label(a.Ref), Mappings: a.Mappings, Crossing: e.crossing,
		HostKey:   func() (tunnel.Secret, error) { return e.keys.PEM(), nil },
		Learned:   a.Learned,
		Admit:     func(ctx context.Context, _ string) (func(), error) { return admit(ctx) },
		DialLocal: a.DialLocal,
		Missed:    func(m tunnel.Mapping, f *sshtunnel.Failure) { missed(m, explain(f)) },
		Stage: func(s sshtunnel.Step) {
			stage(supervisor.Step{Stage: supervisor.Stage(s.Stage), Done: s.Done, Failure: explain(s.Failure), Detail: s.Detail, Took: s.Took})
		},
	}
}

// label is what a tunnel is called, "" for a connection that is only tried.
func label(ref tunnel.Ref) string {
	if ref == (tunnel.Ref{}) {
		return ""
	}
	return ref.String()
}

func (engine) Explain(err error) supervisor.Failure {
	var f *sshtunnel.Failure
	errors.As(err, &f)
	return explain(f)
}

func explain(f *sshtunnel.Failure) supervisor.Failure {
	if f == nil {
		return supervisor.Failure{}
	}
	return supervisor.Failure{Reason: f.Reason, Message: f.Message, Remedy: f.Remedy, Diagnosis: f.Diagnosis, Shown: f.Shown, Version: f.Version}
}

// link is the engine's link as the supervisor asks for it.
type link struct{ *sshtunnel.Link }

func (l link) Open(ctx context.Context, m tunnel.Mapping, caller string) (supervisor.Conn, error) {
	conn, err := l.Link.Open(ctx, m, caller)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (l link) Traffic(name string) supervisor.Traffic {
	t := l.Link.Traffic(name)
	return supervisor.Traffic{
		Open: t.Open, Total: t.Total, Refused: t.Refused, In: t.In, Out: t.Out, Callers: t.Callers, Target: t.Target,
	}
}

func (l link) Peer() supervisor.Peer { return supervisor.Peer(l.Link.Peer()) }

// privateSockets says how a module reaches its mappings without a port.
func privateSockets(s pluginhost.Sockets, modules *pluginhost.Host) supervisor.Sockets {
	return supervisor.Sockets{
		Path: s.Private, Prepare: s.Prepare,
		Allowed: modules.Present, Greet: wire.Greet}
}

// localDialer connects to the service behind an expose mapping: a port of the PBX, where mayPublish has nothing against
// it, or, where it is private, the socket at which the module listens, if it is really the module that does.
func localDialer(s pluginhost.Sockets, modules *pluginhost.Host, mayPublish func(tunnel.Ref, tunnel.Mapping) error) func(context.Context, tunnel.Ref, tunnel.Mapping) (net.Conn, error) {
	return func(ctx context.Context, ref tunnel.Ref, m tunnel.Mapping) (net.Conn, error) {
		var d net.Dialer
		if !m.Private() {
			d.Control = func(_, address string, _ syscall.RawConn) error { // after the lookup of a name
				if to, err := netip.ParseAddrPort(address); err == nil && isHere(to.Addr()) {
					return mayPublish(ref, m)
				}
				return nil
			}
			host := m.Local.Host
			if host == "" {
				host = "127.0.0.1"
			}
			return d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(m.Local.Port)))
		}
		conn, err := d.DialContext(ctx, "unix", s.Own(ref, m.Name))
		if err != nil {
			return nil, err
		}
		if err := modules.CheckPeer(ref.Owner, conn); err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}
}

// isHere reports whether a connection to a meets what listens at this machine's loopback.
func isHere(a netip.Addr) bool { return a.Unmap().IsLoopback() || a.Unmap().IsUnspecified() }
