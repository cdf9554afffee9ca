package registry

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Learned pins the key that a server showed at the first success: learned, or confirmed where a fingerprint given
// beforehand was met. Where the tunnel leads elsewhere by now nothing happens, nor where an MD5 fingerprint was given while
// the login went on, with which nobody has compared the key. Where another key is expected by now the error is a
// *tunnel.StatusError with reason hostkey-mismatch: the link to which this one was shown must not be used.
func (r *Registry) Learned(ctx context.Context, ref tunnel.Ref, server tunnel.Server, shown tunnel.Pin) error {
	r.forgetShown(ref) // another key is the one that was met
	var taken tunnel.Pin
	err := r.change(ctx, host, func(d *draft) error {
		taken = tunnel.Pin{}
		f, t, err := d.tunnel(ref)
		if err != nil {
			return err
		}
		if t.Server != server {
			return nil
		}
		if t.Pin.State != tunnel.PinNone || expectsAnother(t, shown) {
			return met(t, shown)
		}
		if strings.HasPrefix(t.Fingerprint, "MD5:") && shown.State == tunnel.PinLearned {
			return nil
		}
		taken = shown
		taken.State = tunnel.PinLearned
		if t.Fingerprint != "" {
			taken.State = tunnel.PinConfirmed
		}
		return d.pin(f, t, taken)
	})
	if err == nil && taken != (tunnel.Pin{}) {
		r.tellKey(tunnel.KeyLearned, host, ref, tunnel.Pin{}, taken)
	}
	return err
}

// expectsAnother reports whether the fingerprint given beforehand is surely that of another key than the one shown. An
// MD5 fingerprint can be compared only by whoever has the whole key.
func expectsAnother(t tunnel.Tunnel, shown tunnel.Pin) bool {
	return strings.HasPrefix(t.Fingerprint, "SHA256:") && t.Fingerprint != shown.Fingerprint
}

// met reports whether the key shown is the one that t expects, as an error where it is not.
func met(t tunnel.Tunnel, shown tunnel.Pin) error {
	expected := cmp.Or(t.Pin.Fingerprint, t.Fingerprint)
	if expected == shown.Fingerprint {
		return nil
	}
	return &tunnel.StatusError{
		Ref: t.Ref, State: tunnel.Blocked, Reason: tunnel.HostKeyMismatch,
		Message: fmt.Sprintf("the server showed the %s key %s, but %s is expected by now", tunnel.Clean(shown.KeyType, 64),
			tunnel.Clean(shown.Fingerprint, 80), expected),
		Remedy: fmt.Sprintf("compare it at the server itself; accept the key only if it is there: culvert tunnel accept-key %s --fingerprint %s; "+
			"if the server shows the expected key again: culvert tunnel restart %[1]s", t.Ref, tunnel.Clean(shown.Fingerprint, 80)),
	}
}

// Shown notes the key that a server really showed where another was expected, for AcceptKey. It is not kept over a
// restart.
func (r *Registry) Shown(ref tunnel.Ref, shown tunnel.Pin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.tunnels[ref]; e != nil {
		r.shown[ref] = shownKey{e.Tunnel.Server, shown}
	}
}

func (r *Registry) forgetShown(ref tunnel.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.shown, ref)
}

// OfferedKey is the key that AcceptKey would accept now, the one last shown or the one learned; the zero Pin where there
// is none.
func (r *Registry) OfferedKey(ctx context.Context, ref tunnel.Ref) (tunnel.Pin, error) {
	v, err := r.Get(ctx, ref)
	if err != nil {
		return tunnel.Pin{}, err
	}
	if key := r.acceptable(v.Tunnel); key.Fingerprint != "" {
		return key, nil
	}
	return tunnel.Pin{}, nil
}

// AcceptKey makes the key last shown the one that is expected, or confirms the learned one. fingerprint is the one the
// operator saw and compared: where it is another one by now, nothing is accepted (stale-revision). before and after are
// what was and is expected.
func (r *Registry) AcceptKey(ctx context.Context, by string, ref tunnel.Ref, fingerprint string) (before, after tunnel.Pin, err error) {
	err = r.change(ctx, by, func(d *draft) error {
		f, t, err := d.tunnel(ref)
		if err != nil {
			return err
		}
		before = t.Pin
		after = r.acceptable(t)
		if after.Fingerprint == "" {
			return tunnel.Findings{noKey(ref)}
		}
		if fs := checkSeen(ref, fingerprint, after); len(fs) > 0 {
			return fs
		}
		if f.made != nil && t.Fingerprint != "" && t.Fingerprint != after.Fingerprint {
			f.made.Fingerprint = "" // it was that of another key
		}
		return d.pin(f, t, after)
	})
	if err != nil {
		return tunnel.Pin{}, tunnel.Pin{}, err
	}
	if before != after {
		r.forgetShown(ref)
		r.tellKey(tunnel.KeyAccepted, by, ref, before, after)
	}
	return before, after, nil
}

// acceptable is the key that accepting means for t: the one shown, else the one pinned.
func (r *Registry) acceptable(t tunnel.Tunnel) tunnel.Pin {
	r.mu.RLock()
	defer r.mu.RUnlock()
	key := t.Pin
	if shown, ok := r.shown[t.Ref]; ok && shown.server == t.Server {
		key = shown.pin
	} else if key == unreadablePin {
		return tunnel.Pin{}
	}
	key.State = tunnel.PinConfirmed
	return key
}

func noKey(ref tunnel.Ref) tunnel.Finding {
	return tunnel.Finding{
		Code: tunnel.NotFound, Field: "tunnel", Value: ref.String(),
		Message: fmt.Sprintf("the server of %s has not shown a host key yet", ref),
		WayOut:  "culvert tunnel restart " + ref.String() + " --wait, then accept what it shows",
	}
}

// checkSeen says why the key with the fingerprint that the operator saw is not the one that would be accepted.
func checkSeen(ref tunnel.Ref, fingerprint string, offered tunnel.Pin) tunnel.Findings {
	seen, fs := tunnel.ParseFingerprint(fingerprint)
	switch {
	case len(fs) > 0:
		return fs.In("fingerprint")
	case seen == offered.Fingerprint:
		return nil
	case strings.HasPrefix(seen, "MD5:"):
		return tunnel.Findings{{
			Code: tunnel.Malformed, Field: "fingerprint", Value: seen, Message: seen + " is an MD5 fingerprint, and keys are accepted by their SHA-256",
			WayOut: "the server tells it: ssh-keygen -l -E sha256 -f /etc/ssh/ssh_host_ed25519_key.pub",
		}}
	}
	return tunnel.Findings{{
		Code: tunnel.StaleRevision, Field: "fingerprint", Value: seen,
		Message: fmt.Sprintf("the key of %s to be accepted is %s %s by now, not %s", ref, offered.KeyType, offered.Fingerprint, seen),
		WayOut:  "compare it at the server itself before accepting it; culvert tunnel show " + ref.String() + " says what is shown now",
	}}
}

// pin pins a key for the server t leads to. Where the record could not be read, the family's other tunnels keep a pin
// that no key meets.
func (d *draft) pin(f *family, t tunnel.Tunnel, p tunnel.Pin) error {
	fingerprint, fs := tunnel.ParseFingerprint(p.Fingerprint)
	if len(fs) > 0 {
		return fs.In("fingerprint")
	}
	if f.damaged[pinPrefix] {
		m, err := d.module(t.Ref.Owner)
		if err != nil {
			return err
		}
		for name, place := range d.reading(f, m).places() {
			assign(&f.pins, name, pinOf(place.server, unreadablePin))
		}
		f.repaired(pinPrefix)
	}
	p.Fingerprint, p.KeyType = fingerprint, tunnel.Clean(p.KeyType, 64)
	assign(&f.pins, t.Ref.Name, pinOf(t.Server, p))
	return nil
}

// forgetPlaces drops the pins of servers that the family's tunnels, declared or not, no longer lead to. A fingerprint given
// anew confirms the pin or drops it. The warnings are of each drop after which a key is learned unasked.
func (r reading) forgetPlaces(before reading) (warnings []string) {
	if before.configuration != nil && (before.module == nil || r.module == nil) {
		return nil // without its module's description nobody knows where a configuration leads
	}
	was, is := before.places(), r.places()
	for _, name := range sortedKeys(r.pins) {
		p, now := r.pins[name], is[name]
		switch {
		case now.server != tunnel.Server(p.Server):
			delete(r.pins, name)
			if now.fingerprint == "" {
				warnings = append(warnings, forgotten(p, was[name].settings))
			}
		case now.fingerprint == "" || now.fingerprint == was[name].fingerprint:
		case now.fingerprint == p.Fingerprint:
			p.State = tunnel.PinConfirmed
			r.pins[name] = p
		default:
			delete(r.pins, name)
		}
	}
	return warnings
}

// forgotten warns that the key that p pinned is expected no more; path is that of the site, "" for an operator-made tunnel.
func forgotten(p pin, path string) string {
	prefix, option := "", "--fingerprint SHA256:..."
	if path != "" {
		prefix, option = path+": ", path+".fingerprint=SHA256:..."
	}
	return fmt.Sprintf("%sthe pinned host key %s of %s is forgotten with the change of server or user: the key shown at the next successful login is learned anew, unless %s says which one it must be",
		prefix, p.Fingerprint, net.JoinHostPort(p.Server.Host, strconv.Itoa(p.Server.Port)), option)
}

func pinOf(s tunnel.Server, p tunnel.Pin) pin {
	return pin{Server: serverRecord(s), State: p.State, KeyType: p.KeyType, Fingerprint: p.Fingerprint}
}

func (r *Registry) tellKey(typ tunnel.EventType, by string, ref tunnel.Ref, before, after tunnel.Pin) {
	r.teller.note(tunnel.Event{
		Type: typ, Actor: by, Subject: ref.String(), Message: after.KeyType + " " + after.Fingerprint,
		Fields: map[string]string{"key_type": after.KeyType, "fingerprint": after.Fingerprint, "pin": string(after.State), "was": before.Fingerprint},
	})
	r.teller.flush()
}
