package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// The records. Every one has a single writer, so no party's change can undo another's.
//
//	tunnel/OWNER/NAME           the operator: an operator-made tunnel
//	configuration/MODULE/NAME   the operator: a module's settings, "***" where a secret is set
//	declaration/MODULE/NAME     the module's code: which sites and slots its tunnels are made of
//	overlay/FAMILY              the operator, over tunnels of either sort: suspended, accepted wider
//	pin/FAMILY                  the host at the first success, then the operator
//	secret/FAMILY               the operator: what goes in and never comes out, sealed
//	module/NAME                 the host at first use, then the operator: a binary's checksum and what it said of itself
//	grant/NAME                  the operator: what a module may beyond its sandbox
//	ports/SCOPE                 whoever changes a tunnel, in the same transaction: the listening ports held there
//
// FAMILY is tunnel/OWNER/NAME or configuration/MODULE/NAME: what is said of a declared tunnel lives as long as its
// configuration, so that a module cannot shake off a suspension or a pinned key by declaring anew.
const (
	tunnelPrefix        = "tunnel/"
	configurationPrefix = "configuration/"
	declarationPrefix   = "declaration/"
	overlayPrefix       = "overlay/"
	pinPrefix           = "pin/"
	secretPrefix        = "secret/"
	modulePrefix        = "module/"
	grantPrefix         = "grant/"
	portsPrefix         = "ports/"
)

type tunnelRecord struct {
	Node        string          `json:"node"`
	Revision    uint64          `json:"revision"`
	Server      serverRecord    `json:"server"`
	Via         viaRecord       `json:"via,omitzero"`
	LAN         string          `json:"lan,omitempty"`
	Login       tunnel.Login    `json:"login"`
	OwnKey      bool            `json:"own_key,omitempty"`
	Fingerprint string          `json:"fingerprint,omitempty"`
	Comment     string          `json:"comment,omitempty"`
	Mappings    []mappingRecord `json:"mappings,omitempty"`
}

type serverRecord struct {
	Host string `json:"host"`
	Port int    `json:"port"`
	User string `json:"user"`
}

type viaRecord struct {
	Scheme string `json:"scheme"`
	Host   string `json:"host"`
	Port   int    `json:"port"`
	User   string `json:"user,omitempty"`
}

type mappingRecord struct {
	Name   string         `json:"name"`
	Kind   tunnel.Kind    `json:"kind"`
	Local  endpointRecord `json:"local"`
	Remote endpointRecord `json:"remote"`
	Lane   tunnel.Lane    `json:"lane,omitempty"`
}

type endpointRecord struct {
	Host string `json:"host,omitempty"`
	Port int    `json:"port,omitempty"`
}

type configurationRecord struct {
	Node     string          `json:"node"`
	Revision uint64          `json:"revision"`
	Enabled  bool            `json:"enabled"`
	Settings json.RawMessage `json:"settings"`
}

// perTunnel holds what one party says of the tunnels of a family, by tunnel name.
type perTunnel[T any] struct {
	Node    string            `json:"node"`
	Tunnels map[tunnel.Name]T `json:"tunnels"`
}

type declaration struct {
	Settings string   `json:"settings"`
	Slots    []string `json:"slots,omitempty"`
}

func (d declaration) equal(e declaration) bool {
	return d.Settings == e.Settings && slices.Equal(d.Slots, e.Slots)
}

type overlay struct {
	Suspended   bool     `json:"suspended,omitempty"`
	AcceptWider []string `json:"accept_wider,omitempty"`
}

// pin is the host key a server must show. It counts for that server and user alone.
type pin struct {
	Server      serverRecord    `json:"server"`
	State       tunnel.PinState `json:"state"`
	KeyType     string          `json:"key_type"`
	Fingerprint string          `json:"fingerprint"`
}

// secretRecord holds sealed values by field: "password" and "via" of a tunnel, "site.password" and "site.via_password" of a
// configuration's settings.
type secretRecord struct {
	Node   string            `json:"node"`
	Sealed map[string][]byte `json:"sealed"`
}

type moduleRecord struct {
	Node        string             `json:"node"`
	SHA256      string             `json:"sha256"`
	Description tunnel.Description `json:"description"`
}

// portsRecord says who holds which listening ports of one scope: by OWNER/NAME, then by mapping.
type portsRecord struct {
	Node string                    `json:"node"`
	Held map[string]map[string]int `json:"held"`
}

// decode reads one JSON value strictly: a field this version does not know, or anything after the value, is damage. What
// cannot be read whole must not be written back in part.
func decode(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}

// read gets and decodes the record under key: nil without an error where there is none, a *store.DamagedError where its
// checksum or its text is wrong.
func read[T any](rd store.Reader, key string) (*T, error) {
	b, err := rd.Get(key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	rec := new(T)
	if err := decode(b, rec); err != nil {
		return nil, &store.DamagedError{Key: key, Reason: err.Error()}
	}
	return rec, nil
}

// write puts a record; a nil one is deleted.
func write[T any](tx store.Tx, key string, rec *T) error {
	if rec == nil {
		return tx.Delete(key)
	}
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("record %s: %w", key, err)
	}
	return tx.Put(key, b)
}

// tunnel is the operator-made tunnel that r holds, without what others say of it.
func (r tunnelRecord) tunnel(ref tunnel.Ref) tunnel.Tunnel {
	t := tunnel.Tunnel{
		Ref: ref, Node: tunnel.Node, Revision: r.Revision, Server: tunnel.Server(r.Server), Via: tunnel.Via(r.Via), LAN: r.LAN,
		Login: r.Login, OwnKey: r.OwnKey, Fingerprint: r.Fingerprint, Comment: r.Comment,
	}
	for _, m := range r.Mappings {
		t.Mappings = append(t.Mappings, tunnel.Mapping{
			Name: m.Name, Kind: m.Kind, Local: tunnel.Endpoint(m.Local), Remote: tunnel.Endpoint(m.Remote), Lane: m.Lane,
		})
	}
	return t
}

// recordOf is the part of an operator-made tunnel that its own record holds.
func recordOf(t tunnel.Tunnel) *tunnelRecord {
	r := &tunnelRecord{
		Node: tunnel.Node, Revision: t.Revision, Server: serverRecord(t.Server), Via: viaRecord(t.Via), LAN: t.LAN,
		Login: t.Login, OwnKey: t.OwnKey, Fingerprint: t.Fingerprint, Comment: t.Comment,
	}
	for _, m := range t.Mappings {
		r.Mappings = append(r.Mappings, mappingRecord{
			Name: m.Name, Kind: m.Kind, Local: endpointRecord(m.Local), Remote: endpointRecord(m.Remote), Lane: m.Lane,
		})
	}
	return r
}
