package supervisor

import (
	"context"
	"iter"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Source says what shall be and is told what is. The registry has these methods. All are safe for concurrent use.
type Source interface {
	// Wanted yields the present set, then each tunnel again when something about it changed. Its error ends it.
	Wanted(ctx context.Context) iter.Seq2[tunnel.Wanted, error]

	// Login is what shall be of ref at this moment and what it logs in with, both of one state of the record. A
	// *tunnel.StatusError says that the secret is missing or unreadable.
	Login(ctx context.Context, ref tunnel.Ref) (tunnel.Wanted, tunnel.Credential, error)

	// Learned pins the key that a server showed at the first success. It does nothing when ref has another server by
	// now; that another key is expected by now is a *tunnel.StatusError with reason hostkey-mismatch.
	Learned(ctx context.Context, ref tunnel.Ref, server tunnel.Server, shown tunnel.Pin) error

	// Shown notes the key a server showed in place of the pinned one, for a person to accept.
	Shown(ref tunnel.Ref, pin tunnel.Pin)

	// Report notes how ref is. It is cheap and never calls back.
	Report(ref tunnel.Ref, s tunnel.Status)
}
