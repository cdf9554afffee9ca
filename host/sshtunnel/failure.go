package sshtunnel

import (
	"fmt"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Failure is why a link or a mapping does not work: a stable reason, one sentence and one remedy. Text that came from
// the server is escaped and cut.
type Failure struct {
	Reason    tunnel.Reason
	Message   string
	Remedy    string            // a line to paste where there is one
	Diagnosis *tunnel.Diagnosis // what tells it apart from others of its reason; nil where the reason says it all
	Shown     tunnel.Pin        // for HostKeyMismatch: the key the server really showed
	Version   string            // for LoginRefused: what the server calls itself, as it sent it
	Err       error             // the cause, if there is one beneath
}

// Error is the sentence, with its reason and the cause beneath.
func (f *Failure) Error() string {
	s := fmt.Sprintf("%s (%s)", f.Message, f.Reason)
	if f.Err != nil {
		s += ": " + tunnel.Clean(f.Err.Error(), 300)
	}
	return s
}

// Unwrap is the cause beneath.
func (f *Failure) Unwrap() error { return f.Err }

// linkLost is the failure of everything asked of a link that is gone.
func linkLost(err error) *Failure {
	var evidence []string
	if err != nil {
		evidence = []string{err.Error()}
	}
	return &Failure{
		Reason:    tunnel.LinkLost,
		Message:   "the SSH connection to the server ended",
		Remedy:    "nothing to do unless it repeats: it is made again by itself; the server's own log says why it ended",
		Diagnosis: diagnosis("", evidence, advisor{}.log()),
		Err:       err,
	}
}

// busy is the failure of a request that the server has not answered yet, or that was not sent for that reason.
func busy(sentence string) *Failure {
	return &Failure{
		Reason:  tunnel.ServerBusy,
		Message: sentence,
		Remedy: "check load and name resolution at the server (sshd waits for its resolver, and the whole connection with it); " +
			"give targets as addresses instead of names",
	}
}
