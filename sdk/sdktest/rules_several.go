package sdktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The rule of several configurations: each lives as if it were alone.

// livesBesideItself runs a second configuration beside the first, and has it fail, be stopped and be removed.
func livesBesideItself(tr *trial) (j judgement) {
	tr.Helper()
	if asked, _ := tr.o.sets(); tr.foreign(asked) != nil {
		return notJudged("Run declares what it may not: see rule DeclareOwn")
	}
	other, j, ok := tr.beside()
	if !ok {
		return j
	}
	const own = "keep what a run knows in variables of that Run, not in the module or the package, and look at tunnels of its own configuration"
	before := tr.stand()
	if tr.touched(before, "when a second configuration was started", own) {
		return j
	}
	if declaresItsOwn(other); tr.Failed() {
		return j
	}
	for _, f := range []Fault{Cut, WrongKey} {
		for _, site := range other.sites {
			tr.w.Fault(site, f)
		}
		tr.settle()
		if tr.touched(before, fmt.Sprintf("while another configuration's tunnel was %s (%s)", f.state, f.reason), own) {
			return j
		}
		for _, site := range other.sites {
			tr.w.Heal(site)
		}
		tr.settle()
	}
	return tr.outlives(other, before, own)
}

// outlives has the other configuration end, come back and be removed.
func (tr *trial) outlives(other *trial, before standing, hint string) (j judgement) {
	tr.Helper()
	if other.c.stop().late {
		return notJudged("Run does not end: see rule EndAtRest")
	}
	tr.settle()
	if tr.touched(before, "when another configuration was stopped", hint) {
		return j
	}
	other.c.start()
	other.settle()
	_ = tr.w.RemoveConfiguration(other.c.ref)
	other.c.there = false
	tr.settle()
	if e := other.c.stop(); e.late {
		tr.fail("its tunnels go before Run's context ends: take neither for something to wait out",
			"Run of %s has not returned %v after its configuration was removed%s", other.c.ref, e.grace, at(e.stands))
		return j
	}
	tr.settle()
	tr.touched(before, "when another configuration was removed", hint)
	return j
}

// beside starts a second configuration, whose trial it returns once that is at rest.
func (tr *trial) beside() (other *trial, j judgement, ok bool) {
	tr.Helper()
	doc := tr.s.with.second
	if doc == "" {
		doc = elsewhere(tr.w.said.Schema, tr.s.settings)
	}
	c, err := tr.w.configure("second", doc)
	if err != nil {
		return nil, notJudged("a second configuration is refused, give one by sdktest.Second: %v", err), false
	}
	o := &observed{Plugin: tr.o.Plugin, said: tr.o.said}
	c.module = o
	other = &trial{bench: tr.bench, s: tr.s, w: tr.w, c: c, o: o, sites: siteNames(tr.w.said.Schema, doc, c.ref.Name)}
	c.start()
	other.rest(3 * tr.s.quiet)
	for _, err := range o.ended() {
		switch {
		case errors.Is(err, tunnel.ErrPortCollision), errors.Is(err, tunnel.ErrExists):
			c.stop()
			return nil, notJudged("a second configuration needs a port of its own, give it by sdktest.Second: %v", err), false
		case err != nil:
			c.stop()
			tr.fail("what configurations share must bear that there are several", "Run of a second configuration fails, with the settings %s: %v",
				shown(tr.w.said.Schema, doc), err)
			return nil, j, false
		}
	}
	return other, j, true
}

// elsewhere is the document with each server that is set replaced by another one, where the ports of the first are free.
func elsewhere(schema json.RawMessage, doc string) string {
	out := json.RawMessage(doc)
	for path, site := range settings.Sites(schema, out) {
		if site.Server == "" {
			continue
		}
		if with, fs := settings.SetValue(schema, out, path+".server", "tunnel@second-"+string(tunnel.SettingsName("", path))[1:]+".example.org"); len(fs) == 0 {
			out = with
		}
	}
	return string(out)
}

// siteNames are what a test calls the sites of a document.
func siteNames(schema json.RawMessage, doc, configuration string) (names []string) {
	for _, path := range slices.Sorted(maps.Keys(settings.Sites(schema, json.RawMessage(doc)))) {
		names = append(names, siteOf(tunnel.Ref{Name: tunnel.SettingsName(configuration, path)}))
	}
	return names
}

// standing is how a configuration is.
type standing struct {
	ended     int
	done      bool
	set       []string
	listening []string
	open      []string
}

func (tr *trial) stand() standing {
	return standing{len(tr.o.ended()), tr.o.done(), tr.declared(), tr.w.sites.listening(tr.c.ref.Name), tr.w.sites.left(tr.c.ref.Name)}
}

// touched says where the configuration is not as it was, and reports whether that is so.
func (tr *trial) touched(before standing, when, hint string) bool {
	tr.Helper()
	now := tr.stand()
	lacks := func(was, is []string) []string {
		return slices.DeleteFunc(slices.Clone(was), func(s string) bool { return slices.Contains(is, s) })
	}
	switch {
	case now.ended > before.ended:
		tr.fail(hint, "Run of %s ended with %v %s", tr.c.ref, tr.newAttempts(before.ended)[0], when)
	case len(lacks(before.set, now.set)) > 0:
		tr.fail(hint, "%s withdrew or changed %v %s", tr.c.ref, lacks(before.set, now.set), when)
	case len(lacks(before.listening, now.listening)) > 0:
		tr.fail(hint, "%s does not listen for %v any more %s", tr.c.ref, lacks(before.listening, now.listening), when)
	case len(lacks(before.open, now.open)) > 0:
		tr.fail(hint, "%s closed its connections of %v %s", tr.c.ref, lacks(before.open, now.open), when)
	default:
		return false
	}
	return true
}
