package registry_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/host/registry"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
	"github.com/culvert-pbx/culvert/store/boltstore"
	"github.com/culvert-pbx/culvert/store/storetest"
)

// The model's default is what a test run can afford; -rapid.checks and -rapid.steps say otherwise.
func init() {
	flag.Set("rapid.checks", "15")
	flag.Set("rapid.steps", "50")
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is the secret of every test that has one: it may be found nowhere.
const canary = "cAnArY-4711-swordfish"

const by = "operator:1000"

// moduleSettings has one site, a map of sites and a secret of the module's own.
type moduleSettings struct {
	Site  tunnel.Site            `json:"site" slots:"ldaps,metrics"`
	Sites map[string]tunnel.Site `json:"sites" slots:"ldaps,metrics"`
	Base  string                 `json:"base"`
	Bind  tunnel.Secret          `json:"bind_password"`
}

var moduleSchema = schemaOf[moduleSettings]()

func schemaOf[S any]() json.RawMessage {
	schema, err := settings.Schema(reflect.TypeFor[S]())
	if err != nil {
		panic(err)
	}
	return schema
}

func describe(name string) tunnel.Description {
	return tunnel.Description{
		Name: name, Version: "1.0.0", Schema: moduleSchema,
		Slots: []tunnel.Slot{
			{Name: "ldaps", Kinds: []tunnel.Kind{tunnel.Reach, tunnel.ReachGateway}, Spec: ":636", On: true},
			{Name: "metrics", Kinds: []tunnel.Kind{tunnel.Expose, tunnel.ExposeGateway}, Spec: "9100:9100"},
		},
		Policy: tunnel.Policy{Kinds: []tunnel.Kind{tunnel.Reach}},
	}
}

const checksum = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// aead is a small real sealer: what is sealed for one place opens at no other.
type aead struct{ cipher.AEAD }

func newSealer(t testing.TB) aead {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead{gcm}
}

func (a aead) Seal(at registry.Place, s tunnel.Secret) ([]byte, error) {
	return a.AEAD.Seal(nil, nil, []byte(s.Reveal()), fmt.Appendf(nil, "%q", at)), nil
}

func (a aead) Open(at registry.Place, sealed []byte) (tunnel.Secret, error) {
	plain, err := a.AEAD.Open(nil, nil, sealed, fmt.Appendf(nil, "%q", at))
	if err != nil {
		return "", errors.New("unreadable")
	}
	return tunnel.Secret(plain), nil
}

// host is a registry over a store in a file, with the journal it wrote.
type host struct {
	*registry.Registry
	t      testing.TB
	dir    string
	store  store.Store
	close  func() error // of the file; nil for a store in memory
	sealer aead
	log    logBuffer
	burst  int // of changed declarations; 0 is without end
	count  func(refs ...tunnel.Ref)

	mu     sync.Mutex
	events []tunnel.Event
}

// newFileHost keeps the records in a file, as the daemon does.
func newFileHost(t testing.TB) *host {
	t.Helper()
	h := &host{t: t, dir: filepath.Join(t.TempDir(), "state"), sealer: newSealer(t)}
	h.openFile()
	h.open()
	t.Cleanup(func() { h.close() })
	return h
}

// newHost keeps the records in memory and runs every change twice, as a store may.
func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{t: t, store: storetest.Twice(storetest.NewMemory()), sealer: newSealer(t)}
	h.open()
	return h
}

func (h *host) openFile() {
	h.t.Helper()
	db, err := boltstore.Open(filepath.Join(h.dir, "registry.db"), boltstore.Options{})
	h.must(err)
	h.store, h.close = db, db.Close
}

func (h *host) open() {
	h.t.Helper()
	var err error
	h.Registry, err = registry.Open(context.Background(), registry.Config{
		Store: h.store, Sealer: h.sealer, Tell: h.tell, Log: h.logger(),
		Reserved:     func() []tunnel.Endpoint { return []tunnel.Endpoint{{Host: "127.0.0.1", Port: 8443}} },
		DeclareBurst: cmp.Or(h.burst, 1<<30), Recount: h.count,
	})
	h.must(err)
}

// reopen is a restart of the daemon.
func (h *host) reopen() {
	h.t.Helper()
	if h.close != nil {
		h.close()
		h.openFile()
	}
	h.open()
}

func (h *host) tell(e tunnel.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

// told are the events since the last call.
func (h *host) told() []tunnel.Event {
	h.Flush()
	h.mu.Lock()
	defer h.mu.Unlock()
	es := h.events
	h.events = nil
	return es
}

func (h *host) ctx() context.Context { return h.t.Context() }

// module pins a module with an enabled configuration named berlin, whose site leads to server.
func (h *host) module(name, server string) {
	h.t.Helper()
	h.must(h.PinModule(h.ctx(), "host", tunnel.Owner(name), checksum, describe(name)))
	_, err := h.AddConfiguration(h.ctx(), by, conf(name+"/berlin"), site(server), true)
	h.must(err)
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) view(text string) tunnel.View {
	h.t.Helper()
	v, err := h.As("anyone").Get(h.ctx(), ref(text))
	h.must(err)
	return v
}

// absent fails where the tunnel is there.
func (h *host) absent(text string) {
	h.t.Helper()
	if v, err := h.As("anyone").Get(h.ctx(), ref(text)); !errors.Is(err, tunnel.ErrNotFound) {
		h.t.Fatalf("%s: got %+v, %v, want it not to be there", text, v, err)
	}
}

func ref(text string) tunnel.Ref {
	r, fs := tunnel.ParseRef(text)
	if len(fs) > 0 {
		panic(fs)
	}
	return r
}

func conf(text string) tunnel.ConfigurationRef {
	r, fs := tunnel.ParseConfigurationRef(text)
	if len(fs) > 0 {
		panic(fs)
	}
	return r
}

func server(text string) tunnel.Server {
	s, fs := tunnel.ParseServer(text)
	if len(fs) > 0 {
		panic(fs)
	}
	return s
}

func mapping(kind tunnel.Kind, text string) tunnel.Mapping {
	m, fs := tunnel.ParseMapping(kind, text)
	if len(fs) > 0 {
		panic(fs)
	}
	return m
}

// site is a settings document whose one site leads to a server; more are further members of the site, as JSON.
func site(server string, more ...string) json.RawMessage {
	members := append([]string{fmt.Sprintf(`"server":%q`, server)}, more...)
	return json.RawMessage(`{"site":{` + strings.Join(members, ",") + `}}`)
}

// declared is the declaration of one configuration's site.
func declared(text, path string, slots ...string) tunnel.Declaration {
	return tunnel.Declaration{Ref: ref(text), Settings: path, Slots: slots}
}

// made is an operator-made tunnel.
func made(text, srv string, ms ...tunnel.Mapping) tunnel.Tunnel {
	return tunnel.Tunnel{Ref: ref(text), Server: server(srv), Login: tunnel.LoginKey, Mappings: ms}
}

// logger writes into the host's own buffer.
func (h *host) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &h.log})
}

// logBuffer is what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// withoutMetrics is d when the module has lost a slot, and no longer offers it at its sites.
func withoutMetrics(d tunnel.Description) tunnel.Description {
	d.Slots = d.Slots[:1]
	d.Schema = bytes.ReplaceAll(d.Schema, []byte(`["ldaps","metrics"]`), []byte(`["ldaps"]`))
	return d
}
