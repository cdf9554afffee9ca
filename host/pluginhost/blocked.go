package pluginhost

import (
	"fmt"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// blockedLocked is why no process of the module can be started now, whoever wants one, and the state that it is shown in
// for that; nil where one can. It is the one answer to that question. What runs already may go on all the same, and what
// a failed start was about is not asked here: the next one may succeed.
func (m *module) blockedLocked() (State, *unusable) {
	strange, why := m.strangeLocked()
	switch {
	case !m.found.there:
		return Failed, &unusable{
			tunnel.ModuleMissing, fmt.Sprintf("%s is not in the plugin directory", m.name),
			"install the module, or culvert config remove its configurations",
		}
	case why != nil && !m.copiedLocked():
		return strange, why
	case why == nil && !m.confinedLocked(m.found.sha), why != nil && !m.confinedLocked(m.pin.SHA256):
		return Accept, m.unconfined()
	}
	return "", nil
}

// strangeLocked is what is wrong with what lies under the module's name instead of the accepted binary, and the state that
// the module is shown in where nothing of it runs; nil where nothing is.
func (m *module) strangeLocked() (State, *unusable) {
	var state State
	var why unusable
	switch {
	case m.found.problem != nil:
		state, why = Failed, *m.found.problem
	case m.otherLocked():
		state, why = Accept, m.needsAcceptanceLocked()
	default:
		return "", nil
	}
	switch {
	case m.copiedLocked():
		why.message += "; the accepted one goes on meanwhile, of which there is a copy"
	case m.pin != nil && m.life == dead && m.uncopiedLocked() == (want{}):
		why.message += "; nothing of it runs, because no copy of the accepted one is left"
	}
	return state, &why
}

// refusalLocked is the same for who asked for a process. A module that is not there is tunnel.ErrNotFound.
func (m *module) refusalLocked() error {
	switch _, why := m.blockedLocked(); {
	case why == nil:
		return nil
	case !m.found.there:
		return notInstalled(m.name)
	default:
		return m.unusable(why)
	}
}

func (m *module) needsAcceptanceLocked() unusable {
	u := unusable{reason: tunnel.NeedsAcceptance, remedy: "culvert module accept " + string(m.name)}
	if m.pin != nil {
		u.message = fmt.Sprintf("another binary lies under this name, SHA-256 %.12s...; accepted is %.12s...", m.found.sha, m.pin.SHA256)
	} else {
		u.message = "which binary was accepted cannot be read any more: " + tunnel.Clean(m.lost.Error(), 200)
	}
	if m.mute != nil {
		u.message += "; the other one cannot be used: " + m.mute.message
		u.remedy = m.mute.remedy
	}
	return u
}
