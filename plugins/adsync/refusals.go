package main

import (
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/verify"
)

// answers are the codes by which a directory says no, as opposed to not answering, with all that whoever asks is told. What
// the directory has to do with it, names and places, is for the log.
var answers = map[directory.Code]string{
	directory.Wrong:       "user or password wrong",
	directory.Disabled:    "the account is disabled",
	directory.Expired:     "the account has expired",
	directory.PasswordOld: "the password has expired, or must be changed first",
	directory.Locked:      "the account is locked",
	directory.Restricted:  "the account may not log in at this time, or from here",
	directory.EmptyWord:   "the password is empty, or the directory takes it for that",
	directory.NotAMember:  "the user may not log in at the PBX",
}

// doubtEvery is how often the log says that the directory may be of another kind.
const doubtEvery = time.Minute

// refusals make errors of the directory answers to the PBX, and log what the operator can do about them.
type refusals struct {
	log           hclog.Logger
	configuration string // MODULE/NAME, for remedies

	mu      sync.Mutex
	doubted time.Time // when the log last said so
}

// to is the error of a verify.Ask: a *verify.Refusal where the directory says no.
func (r *refusals) to(err error) error {
	var known *directory.Error
	if !errors.As(err, &known) || known.Code != directory.Twice && answers[known.Code] == "" {
		r.log.Warn("a login could not be checked", "error", err)
		return err
	}
	code := known.Code
	switch code {
	case directory.Twice: // who asks learns no more than of a login that nobody has
		r.say("nobody can log in by a login of several", known)
		code = directory.Wrong
	case directory.NotAMember:
		r.say("a login was refused", known)
	case directory.Wrong:
		r.doubt(known.Err)
	}
	return &verify.Refusal{Reason: string(code), Message: answers[code]}
}

func (r *refusals) say(what string, e *directory.Error) {
	r.log.Warn(what, "error", e.Message, "remedy", e.For(r.configuration))
}

// doubt logs that the directory may be of another kind, where that is why nobody has a login, and not too often.
func (r *refusals) doubt(beneath error) {
	var e *directory.Error
	if !errors.As(beneath, &e) || e.Code != directory.NotAD {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.doubted.IsZero() || now.Sub(r.doubted) >= doubtEvery {
		r.doubted = now
		r.say("nobody has the login of a question", e)
	}
}
