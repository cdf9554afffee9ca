package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
)

// TestModel lets several owners, the operator and restarts interleave at random. A World, which applies the rules in
// memory, and a few maps for secrets and pins say what must come of it; registry and model are compared after each step.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(t, rt)
		defer m.stop()
		rt.Repeat(map[string]func(*rapid.T){
			"declare":       m.declare,
			"declare again": m.declare, // what comes twice comes more often
			"configure":     m.configure,
			"enable":        m.enable,
			"remove":        m.removeConfiguration,
			"add":           m.addTunnel,
			"add again":     m.addTunnel,
			"edit":          m.editTunnel,
			"edit again":    m.editTunnel,
			"edit more":     m.editTunnel,
			"drop":          m.removeTunnel,
			"suspend":       m.suspend,
			"secret":        m.setSecret,
			"learn":         m.learn,
			"learn again":   m.learn,
			"miss":          m.miss,
			"accept":        m.acceptModule,
			"reopen":        m.reopenHost,
			"":              m.check,
		})
		m.checkMirrors(rt)
	})
}

// The small worlds that collide often.
var (
	owners         = []tunnel.Owner{"adsync", "tapi"}
	configurations = []string{"berlin", "rome"}
	servers        = []string{"", "a.example", "A.example", "ops@a.example", "b.example:2222"}
	ports          = []int{1636, 1637, 1638}
	passwords      = []tunnel.Secret{"one", "two"}
	paths          = []string{"site", "sites.lab"}
	proxies        = []tunnel.Via{{}, via("http://u@p.example:1"), via("http://v@p.example:1"), via("socks5://u@p.example:1")}
)

// bound is a secret with the server and proxy it was given for.
type bound struct {
	secret tunnel.Secret
	server tunnel.Server
	via    tunnel.Via // of a proxy's password
}

type model struct {
	*fixture
	world   *tunneltest.World
	secrets map[string]bound // by tunnel, or configuration and settings path
	vias    map[tunnel.Ref]bound
	pins    map[tunnel.Ref]bound

	descriptions map[tunnel.Owner]tunnel.Description
	declared     map[tunnel.ConfigurationRef][]tunnel.Declaration

	stopWatch func()
	mu        sync.Mutex
	watched   map[tunnel.Ref]tunnel.View
	wanted    map[tunnel.Ref]tunnel.Wanted
}

func newModel(t *testing.T, rt *rapid.T) *model {
	m := &model{
		fixture: &fixture{host: newHost(t), present: map[tunnel.Owner]bool{}},
		world:   tunneltest.NewWorld(), secrets: map[string]bound{}, vias: map[tunnel.Ref]bound{}, pins: map[tunnel.Ref]bound{},
		descriptions: map[tunnel.Owner]tunnel.Description{}, declared: map[tunnel.ConfigurationRef][]tunnel.Declaration{},
	}
	for _, owner := range owners {
		d := describe(string(owner))
		m.must(m.AddModule(d))
		m.must(m.world.AddModule(d))
		m.descriptions[owner] = d
	}
	for _, c := range []string{"adsync/berlin", "adsync/rome", "tapi/berlin"} {
		m.must(m.Configure(conf(c), json.RawMessage(`{"site":{"server":"a.example"},"sites":{"lab":{"server":"b.example"}}}`)))
		m.must(m.world.Configure(conf(c), json.RawMessage(`{"site":{"server":"a.example"},"sites":{"lab":{"server":"b.example"}}}`)))
	}
	m.follow()
	return m
}

// follow mirrors what the registry tells, as a plugin and the supervisor would.
func (m *model) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	m.watched, m.wanted = map[tunnel.Ref]tunnel.View{}, map[tunnel.Ref]tunnel.Wanted{}
	reg, done := m.Registry, sync.WaitGroup{}
	done.Go(func() {
		for c, err := range reg.Watch(ctx) {
			if err != nil {
				return
			}
			m.mu.Lock()
			switch c.Type {
			case tunnel.Removed:
				delete(m.watched, c.Tunnel.Ref)
			case tunnel.Resync:
				clear(m.watched)
			case tunnel.Present, tunnel.Changed:
				m.watched[c.Tunnel.Ref] = c.Tunnel
			}
			m.mu.Unlock()
		}
	})
	done.Go(func() {
		for w, err := range reg.Wanted(ctx) {
			if err != nil {
				return
			}
			m.mu.Lock()
			if w.Gone {
				delete(m.wanted, w.Tunnel.Ref)
			} else {
				m.wanted[w.Tunnel.Ref] = w
			}
			m.mu.Unlock()
		}
	})
	m.stopWatch = func() { cancel(); done.Wait() }
}

func (m *model) stop() { m.stopWatch() }

func (m *model) reopenHost(*rapid.T) {
	m.stopWatch()
	m.fixture.Reopen(m.t)
	m.follow()
}

// agree checks that registry and model both took a change, or both refused it.
func agree(rt *rapid.T, what string, got, want error) bool {
	rt.Helper()
	if (got == nil) != (want == nil) || errors.Is(want, tunnel.ErrNotOwner) && !errors.Is(got, tunnel.ErrNotOwner) {
		rt.Fatalf("%s: the registry says %v, the model %v", what, got, want)
	}
	return got == nil
}

func pick[T any](rt *rapid.T, what string, from []T) T { return rapid.SampledFrom(from).Draw(rt, what) }

func (m *model) pickConfiguration(rt *rapid.T) tunnel.ConfigurationRef {
	return tunnel.ConfigurationRef{Module: pick(rt, "module", owners), Name: pick(rt, "configuration", configurations)}
}

// pickRef is a tunnel that is there, operator-made ones first, or a name that is not.
func (m *model) pickRef(rt *rapid.T) tunnel.Ref {
	var refs, declared []tunnel.Ref
	for v := range m.world.As("x").List(context.Background()) {
		if v.Configuration == "" {
			refs = append(refs, v.Ref)
		} else {
			declared = append(declared, v.Ref)
		}
	}
	refs = append(refs, declared...)
	return pick(rt, "tunnel", append(refs, ref("operator/none"))) // the first ones are picked most
}

// declare states a set under one owner's connection; now and then it names another's tunnel.
func (m *model) declare(rt *rapid.T) {
	owner, name := pick(rt, "owner", append(slices.Repeat(owners, 3), "nobody")), pick(rt, "configuration", configurations)
	var set []tunnel.Declaration
	for _, path := range paths {
		if rapid.IntRange(0, 2).Draw(rt, "leave out "+path) == 0 {
			continue
		}
		d := tunnel.Declaration{Ref: tunnel.Ref{Owner: owner, Name: tunnel.SettingsName(name, path)}, Settings: path}
		d.Slots = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"ldaps", "ldaps", "metrics", "metrics", "nope"}), 0, 1, rapid.ID[string]).Draw(rt, "slots")
		if rapid.IntRange(0, 5).Draw(rt, "foreign") == 0 {
			d.Ref = m.pickRef(rt)
		}
		set = append(set, d)
	}
	before := m.foreign(owner)
	got := m.As(owner).Declare(context.Background(), name, set)
	if agree(rt, fmt.Sprintf("declare %s/%s %v", owner, name, set), got, m.world.As(owner).Declare(context.Background(), name, set)) {
		m.declared[tunnel.ConfigurationRef{Module: owner, Name: name}] = set
	}
	if after := m.foreign(owner); !slices.EqualFunc(before, after, sameTunnel) {
		rt.Fatalf("%s changed a foreign tunnel:\nbefore %+v\nafter  %+v", owner, before, after)
	}
}

// foreign are all tunnels but one owner's.
func (m *model) foreign(owner tunnel.Owner) []tunnel.Tunnel {
	var ts []tunnel.Tunnel
	for v := range m.As(owner).List(context.Background()) {
		if v.Ref.Owner != owner {
			ts = append(ts, v.Tunnel)
		}
	}
	return ts
}

// configure sets random settings: servers and ports that collide, passwords new, kept or absent.
func (m *model) configure(rt *rapid.T) {
	c := m.pickConfiguration(rt)
	known := false
	if _, err := m.Configuration(context.Background(), c); err == nil {
		known = true
	}
	secrets, leads := map[string]bound{}, map[tunnel.Name]tunnel.Server{}
	keeps := true
	site := func(path string) map[string]any {
		srv := pick(rt, "server", servers)
		s := map[string]any{"server": srv, "slots": map[string]any{
			"ldaps":   map[string]any{"spec": fmt.Sprintf("%d:636", pick(rt, "port", ports))},
			"metrics": map[string]any{"on": rapid.Bool().Draw(rt, "on")},
		}}
		var to tunnel.Server
		if srv != "" {
			to = server(srv)
		}
		leads[tunnel.SettingsName(c.Name, path)] = to
		at := c.String() + ":" + path
		switch rapid.IntRange(0, 2).Draw(rt, "password") {
		case 1:
			secret := pick(rt, "secret", passwords)
			s["login"], s["password"] = "password", secret.Reveal()
			secrets[at] = bound{secret: secret, server: to}
		case 2:
			s["login"], s["password"] = "password", "***"
			if m.secrets[at].secret == "" {
				keeps = false
			} else if m.secrets[at].server == to {
				secrets[at] = m.secrets[at]
			}
		}
		return s
	}
	doc := map[string]any{"site": site("site")}
	if rapid.Bool().Draw(rt, "lab") {
		doc["sites"] = map[string]any{"lab": site("sites.lab")}
	}
	text, err := json.Marshal(doc)
	m.must(err)
	got := m.fixture.Configure(c, text)
	if !keeps {
		if got == nil {
			rt.Fatalf("%s kept a secret that is not there: %s", c, text)
		}
		return
	}
	if agree(rt, fmt.Sprintf("configure %s (known %v) %s", c, known, text), got, m.world.Configure(c, text)) {
		m.forgetSecrets(c.String() + ":")
		maps.Copy(m.secrets, secrets)
		m.forgetPins(c, leads)
	}
}

// forgetPins drops the pins of a configuration's sites that lead elsewhere now, declared or not.
func (m *model) forgetPins(c tunnel.ConfigurationRef, leads map[tunnel.Name]tunnel.Server) {
	for r, p := range m.pins {
		if r.Owner == c.Module && strings.HasPrefix(string(r.Name), c.Name+".") && leads[r.Name] != p.server {
			delete(m.pins, r)
		}
	}
}

func (m *model) forgetSecrets(prefix string) {
	for at := range m.secrets {
		if strings.HasPrefix(at, prefix) {
			delete(m.secrets, at)
		}
	}
}

func (m *model) enable(rt *rapid.T) {
	c, on := m.pickConfiguration(rt), rapid.Bool().Draw(rt, "on")
	agree(rt, fmt.Sprintf("enable %s %v", c, on), m.fixture.Enable(c, on), m.world.Enable(c, on))
}

func (m *model) removeConfiguration(rt *rapid.T) {
	c := m.pickConfiguration(rt)
	if agree(rt, "remove "+c.String(), m.fixture.RemoveConfiguration(c), m.world.RemoveConfiguration(c)) {
		m.forgetSecrets(c.String() + ":")
		m.forgetPins(c, nil)
		delete(m.declared, c)
	}
}

func (m *model) mapping(rt *rapid.T, name string) tunnel.Mapping {
	port := pick(rt, "port", ports)
	if rapid.Bool().Draw(rt, "expose") {
		return mapping(tunnel.Expose, fmt.Sprintf("%s=80:%d", name, port))
	}
	return mapping(tunnel.Reach, fmt.Sprintf("%s=%d:80", name, port))
}

func (m *model) addTunnel(rt *rapid.T) {
	t := tunnel.Tunnel{
		Ref:    tunnel.Ref{Owner: pick(rt, "owner", []tunnel.Owner{"operator", "adsync", "tapi", "nobody"}), Name: pick(rt, "name", []tunnel.Name{"x", "y"})},
		Server: server(pick(rt, "server", servers[1:])), Login: tunnel.LoginKey, Suspended: rapid.Bool().Draw(rt, "suspended"),
		Mappings: []tunnel.Mapping{m.mapping(rt, "m")},
	}
	cred := byKey()
	if rapid.Bool().Draw(rt, "by password") {
		t.Login, cred = tunnel.LoginPassword, tunnel.Credential{Login: tunnel.LoginPassword, Password: pick(rt, "secret", passwords)}
	}
	_, got := m.host.AddTunnel(context.Background(), by, t, cred)
	if agree(rt, fmt.Sprintf("add %+v", t), got, m.world.AddTunnel(t)) && cred.Password != "" {
		m.secrets[t.Ref.String()] = bound{secret: cred.Password, server: t.Server}
	}
}

// editTunnel is, for the model, the edited tunnel in place of the former.
func (m *model) editTunnel(rt *rapid.T) {
	r := m.pickRef(rt)
	before, err := m.As("x").Get(context.Background(), r)
	e, edited := tunnel.Edit{}, before.Tunnel
	if rapid.Bool().Draw(rt, "mapping") {
		e.Set = []tunnel.Mapping{m.mapping(rt, "m")}
		edited.Mappings = e.Set
	}
	if rapid.Bool().Draw(rt, "move") {
		to := server(pick(rt, "server", servers[1:]))
		e.Server, edited.Server = &to, to
	}
	if rapid.Bool().Draw(rt, "through a proxy") {
		to := pick(rt, "proxy", proxies)
		e.Via, edited.Via = &to, to
	}
	if rapid.Bool().Draw(rt, "proxy's password") {
		e.ViaPassword = new(pick(rt, "secret", passwords))
	}
	fresh := rapid.IntRange(0, 4).Draw(rt, "on a stale revision") != 4
	if e.IfRevision = before.Revision; !fresh {
		e.IfRevision += 1000
	}
	if m.forbidden(before.Tunnel) {
		return // the model cannot put it back where it was
	}
	_, got := m.EditTunnel(context.Background(), by, r, e)
	switch {
	case err != nil && !errors.Is(got, tunnel.ErrNotFound):
		rt.Fatalf("edit %s, which is not there: %v", r, got)
	case err == nil && before.Configuration != "" && (e.Set != nil || e.Server != nil || e.Via != nil || e.ViaPassword != nil) && !errors.Is(got, tunnel.ErrManagedByModule):
		rt.Fatalf("edit of the declared %s: %v", r, got)
	case err == nil && before.Configuration == "" && !fresh && !errors.Is(got, tunnel.ErrStaleRevision):
		rt.Fatalf("stale edit of %s: %v", r, got)
	}
	if err != nil || before.Configuration != "" || !fresh {
		return
	}
	m.must(m.world.RemoveTunnel(r))
	want := m.world.AddTunnel(edited)
	if want == nil && e.ViaPassword != nil && edited.Via.User == "" {
		m.must(m.world.RemoveTunnel(r))
		want = errors.New("nobody has that password")
	}
	if !agree(rt, fmt.Sprintf("edit %s %+v", r, e), got, want) {
		m.must(m.world.AddTunnel(before.Tunnel))
		return
	}
	if edited.Server != before.Server {
		delete(m.secrets, r.String())
		delete(m.pins, r)
	}
	if e.ViaPassword != nil {
		m.vias[r] = bound{*e.ViaPassword, edited.Server, edited.Via}
	} else if b := m.vias[r]; b.server != edited.Server || b.via != edited.Via {
		delete(m.vias, r)
	}
}

func (m *model) removeTunnel(rt *rapid.T) {
	r := m.pickRef(rt)
	if rapid.Bool().Draw(rt, "let it be") {
		return
	}
	if agree(rt, "remove "+r.String(), m.fixture.RemoveTunnel(r), m.world.RemoveTunnel(r)) {
		delete(m.secrets, r.String())
		delete(m.pins, r)
		delete(m.vias, r)
		m.withdrawn(r)
	}
}

// withdrawn takes a tunnel out of what its module declared.
func (m *model) withdrawn(r tunnel.Ref) {
	for c, set := range m.declared {
		m.declared[c] = slices.DeleteFunc(slices.Clone(set), func(d tunnel.Declaration) bool { return d.Ref == r })
	}
}

// acceptModule pins another version of a module. It is never refused; what it does not allow any more is withdrawn, and
// the model, with that withdrawn, has nothing against the version either.
func (m *model) acceptModule(rt *rapid.T) {
	owner := pick(rt, "module", owners)
	d := describe(string(owner))
	switch rapid.IntRange(0, 3).Draw(rt, "version") {
	case 0:
		d = withoutMetrics(d)
	case 1:
		d.Slots[0].Spec = "1637:636"
	case 2:
		d.Policy = tunnel.Policy{}
	}
	for c := range m.declared { // without a tunnel nobody could see that it was withdrawn
		m.must(m.As(c.Module).Declare(context.Background(), c.Name, m.visible(c)))
		m.must(m.world.As(c.Module).Declare(context.Background(), c.Name, m.visible(c)))
	}
	m.must(m.AddModule(d))
	for c := range m.declared {
		m.declared[c] = m.visible(c)
		m.must(m.world.As(c.Module).Declare(context.Background(), c.Name, m.declared[c]))
	}
	if err := m.world.AddModule(d); err != nil {
		rt.Fatalf("the registry kept what version %d of %s does not allow: %v", len(d.Slots), owner, err)
	}
	m.fixture.Miss(owner, false)
	m.world.Miss(owner, false)
	m.descriptions[owner] = d
}

// visible is what of a configuration's declarations are tunnels in the registry.
func (m *model) visible(c tunnel.ConfigurationRef) []tunnel.Declaration {
	return slices.DeleteFunc(slices.Clone(m.declared[c]), func(d tunnel.Declaration) bool {
		_, err := m.As("x").Get(context.Background(), d.Ref)
		return err != nil
	})
}

// forbidden reports whether the accepted version of its module forbids an operator-made tunnel.
func (m *model) forbidden(t tunnel.Tunnel) bool {
	d, ok := m.descriptions[t.Ref.Owner]
	return ok && t.Configuration == "" && len(tunnel.CheckPolicy(t, d.Policy, d.Slots)) > 0
}

func (m *model) suspend(rt *rapid.T) {
	r, on := m.pickRef(rt), rapid.Bool().Draw(rt, "on")
	agree(rt, "suspend "+r.String(), m.fixture.Suspend(r, on), m.world.Suspend(r, on))
}

func (m *model) setSecret(rt *rapid.T) {
	r, secret := m.pickRef(rt), pick(rt, "secret", passwords)
	v, err := m.As("x").Get(context.Background(), r)
	if err != nil || v.Configuration != "" || v.Login != tunnel.LoginPassword {
		return
	}
	m.must(m.SetSecret(context.Background(), by, r, tunnel.Credential{Login: tunnel.LoginPassword, Password: secret}))
	m.secrets[r.String()] = bound{secret: secret, server: v.Server}
}

// learn pins a key, the first one that comes.
func (m *model) learn(rt *rapid.T) {
	r, name := m.pickRef(rt), pick(rt, "key", []string{"one", "two"})
	v, err := m.As("x").Get(context.Background(), r)
	if err != nil {
		return
	}
	err = m.Learned(context.Background(), r, v.Server, key(name))
	if _, pinned := m.pins[r]; !pinned {
		m.pins[r] = bound{secret: tunnel.Secret(name), server: v.Server}
	}
	if pinned := m.pins[r].secret.Reveal(); (err == nil) != (pinned == name) {
		rt.Fatalf("%s has the key %s pinned and was shown %s: %v", r, pinned, name, err)
	}
}

func (m *model) miss(rt *rapid.T) {
	owner, missing := pick(rt, "module", owners), rapid.Bool().Draw(rt, "missing")
	m.fixture.Miss(owner, missing)
	m.world.Miss(owner, missing)
}

// check compares registry and model in everything.
func (m *model) check(rt *rapid.T) {
	got, want := m.all(rt, m.As("x")), m.all(rt, m.world.As("x"))
	if len(got) != len(want) {
		rt.Fatalf("the registry has %d tunnels, the model %d", len(got), len(want))
	}
	var held []tunnel.Reservation
	for i, v := range got {
		m.compare(rt, v, want[i])
		held = append(held, tunnel.Reservations(v.Tunnel)...)
	}
	for i, a := range held {
		for _, b := range held[i+1:] {
			if tunnel.Overlap(a, b) {
				rt.Fatalf("two mappings hold one port: %+v and %+v", a, b)
			}
		}
	}
	m.compareRecords(rt, held)
}

func (m *model) all(rt *rapid.T, s tunnel.Service) []tunnel.View {
	var vs []tunnel.View
	for v, err := range s.List(context.Background()) {
		if err != nil {
			rt.Fatal(err)
		}
		vs = append(vs, v)
	}
	return vs
}

func (m *model) compare(rt *rapid.T, got, want tunnel.View) {
	a, b := got.Tunnel, want.Tunnel
	a.Revision, b.Revision, a.Pin, b.Pin = 0, 0, tunnel.Pin{}, tunnel.Pin{}
	if !sameTunnel(a, b) {
		rt.Fatalf("the registry has\n%+v\nthe model\n%+v", a, b)
	}
	state, reason := want.Status.State, want.Status.Reason
	password, has := m.password(got.Tunnel)
	switch {
	case state != tunnel.Connecting:
	case m.forbidden(got.Tunnel):
		state, reason = tunnel.Blocked, tunnel.PolicyRefusedReason
	case got.Login == tunnel.LoginPassword && !has:
		state, reason = tunnel.Blocked, tunnel.SecretMissing
	}
	if got.Status.State != state || got.Status.Reason != reason {
		rt.Fatalf("%s is %s (%s), want %s (%s)", got.Ref, got.Status.State, got.Status.Reason, state, reason)
	}
	_, cred, err := m.Login(context.Background(), got.Ref)
	if cred.Password != password || (err == nil) != (has || got.Login == tunnel.LoginKey) {
		rt.Fatalf("%s logs in with %q (%v), want %q", got.Ref, cred.Password.Reveal(), err, password.Reveal())
	}
	if want := m.vias[got.Ref].secret; err == nil && cred.Via != want {
		rt.Fatalf("%s has the proxy's password %q, want %q", got.Ref, cred.Via.Reveal(), want.Reveal())
	}
	pin := tunnel.Pin{State: tunnel.PinNone}
	if p, pinned := m.pins[got.Ref]; pinned {
		pin = key(p.secret.Reveal())
		pin.State = tunnel.PinLearned
	}
	if got.Pin != pin {
		rt.Fatalf("%s has the pin %+v, want %+v", got.Ref, got.Pin, pin)
	}
}

func (m *model) password(t tunnel.Tunnel) (tunnel.Secret, bool) {
	if t.Login != tunnel.LoginPassword {
		return "", false
	}
	at := t.Ref.String()
	if t.Configuration != "" {
		at = string(t.Ref.Owner) + "/" + t.Configuration + ":" + t.Settings
	}
	b, ok := m.secrets[at]
	return b.secret, ok && b.server == t.Server
}

// compareRecords checks that the stored reservations are those of the tunnels, and that nothing is left of what is no more.
func (m *model) compareRecords(rt *rapid.T, held []tunnel.Reservation) {
	want := map[string]map[string]map[string]int{}
	for _, r := range held {
		if want["ports/"+r.Scope] == nil {
			want["ports/"+r.Scope] = map[string]map[string]int{}
		}
		if want["ports/"+r.Scope][r.Ref.String()] == nil {
			want["ports/"+r.Scope][r.Ref.String()] = map[string]int{}
		}
		want["ports/"+r.Scope][r.Ref.String()][r.Mapping] = r.Port
	}
	records := m.records()
	for key, value := range records {
		_, family, _ := strings.Cut(key, "/")
		if strings.HasPrefix(key, "declaration/") {
			family = "configuration/" + family
		}
		if _, there := records[family]; (strings.Count(key, "/") == 3 || strings.HasPrefix(key, "declaration/")) && !there {
			rt.Fatalf("%s is left of %s", key, family)
		}
		if !strings.HasPrefix(key, "ports/") {
			continue
		}
		text, err := json.Marshal(map[string]any{"node": "single", "held": want[key]})
		m.must(err)
		if !jsonEqual(string(text), value) {
			rt.Fatalf("%s holds %s, want %s", key, value, text)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		rt.Fatalf("no record holds %v", want)
	}
}

// checkMirrors waits until what was told adds up to what is.
func (m *model) checkMirrors(rt *rapid.T) {
	var difference string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if difference = m.mirrored(rt); difference == "" {
			return
		}
	}
	rt.Fatal(difference)
}

func (m *model) mirrored(rt *rapid.T) string {
	all := m.all(rt, m.As("x"))
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.watched) != len(all) || len(m.wanted) != len(all) {
		return fmt.Sprintf("%d watched, %d wanted, %d there", len(m.watched), len(m.wanted), len(all))
	}
	for _, v := range all {
		seen, w := m.watched[v.Ref], m.wanted[v.Ref]
		if !sameTunnel(seen.Tunnel, v.Tunnel) || !seen.Status.Same(v.Status) {
			return fmt.Sprintf("a watcher has %+v for %+v", seen, v)
		}
		if w.Active != (v.Status.State == tunnel.Connecting) || !slices.Equal(w.Tunnel.Mappings, v.Mappings) {
			return fmt.Sprintf("the supervisor has %+v for %+v", w, v)
		}
	}
	return ""
}
