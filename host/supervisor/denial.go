package supervisor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxDenials bounds the refused tunnels that are remembered of one server, maxNamed those that are named where others wait
// because of them.
const (
	maxDenials = 1024
	maxNamed   = 3
)

// denial is why the login of a tunnel was refused last.
type denial struct {
	login login
	why   Failure
	gone  bool // the tunnel is, or was changed since: it is none to mend
}

// deny notes why the server refused the login. Callers hold the mutex.
func (t *turn) deny(why Failure) {
	if t.of == (tunnel.Ref{}) {
		return
	}
	if len(t.l.denied) >= maxDenials {
		clear(t.l.denied)
	}
	t.l.denied[t.of] = denial{login: t.login, why: why}
}

// forgive notes that the login is right. Callers hold the mutex.
func (t *turn) forgive() {
	maps.DeleteFunc(t.l.denied, func(ref tunnel.Ref, d denial) bool { return ref == t.of || d.login == t.login })
}

// forgo notes that a tunnel is gone, or another by now.
func (b *budget) forgo(ref tunnel.Ref) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.ledgers {
		if d, ok := l.denied[ref]; ok {
			d.gone = true
			l.denied[ref] = d
			l.stir()
		}
	}
}

// denied is why the server refused this very login of this tunnel, the zero Failure where it did not.
func (t *turn) denied() Failure {
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	if d, ok := t.l.denied[t.of]; ok && d.login == t.login {
		return d.why
	}
	return Failure{}
}

// culprits are the other tunnels whose logins the server refused, in their order.
func (t *turn) culprits() []tunnel.Ref {
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	var refs []tunnel.Ref
	for ref, d := range t.l.denied {
		if ref != t.of && !d.gone {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b tunnel.Ref) int { return cmp.Compare(a.String(), b.String()) })
	return refs
}

// spared is said of a tunnel whose login waits because those of others were refused.
func spared(others []tunnel.Ref) Failure {
	return Failure{
		Reason: tunnel.LoginPostponed,
		Message: fmt.Sprintf("the server has refused %s, and this one has not worked there yet: it waits its turn, "+
			"so that the server does not shut the PBX out", refusedOf(others)),
		Remedy: mend(others, "nothing has to be done: it is tried by itself") + "; what has worked before does not wait",
	}
}

// postponed is said of a check whose login would have to wait.
func postponed(others []tunnel.Ref) Failure {
	return Failure{
		Reason: tunnel.LoginPostponed,
		Message: fmt.Sprintf("the server has refused %s: this one is not tried now, so that the server does not shut the PBX out",
			refusedOf(others)),
		Remedy: mend(others, "try again in a few minutes"),
	}
}

// refusedOf is whose logins were refused, as far as there is somebody to name.
func refusedOf(refs []tunnel.Ref) string {
	if len(refs) == 0 {
		return "logins of this PBX lately"
	}
	var names []string
	for _, ref := range refs[:min(len(refs), maxNamed)] {
		names = append(names, ref.String())
	}
	switch more := len(refs) - len(names); {
	case more == 1:
		names = append(names, "1 more tunnel")
	case more > 1:
		names = append(names, fmt.Sprintf("%d more tunnels", more))
	}
	last := len(names) - 1
	if last == 0 {
		return "the login of " + names[0]
	}
	return "the logins of " + strings.Join(names[:last], ", ") + " and " + names[last]
}

// mend says how to mend the first of those refused, or what else to do where there is none.
func mend(refs []tunnel.Ref, otherwise string) string {
	if len(refs) == 0 {
		return otherwise
	}
	return fmt.Sprintf("mend the login of %[1]s: culvert tunnel why %[1]s says what is wrong with it", refs[0])
}
