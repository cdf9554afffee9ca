package sshtunnel

import (
	"sync"
	"time"
)

// The stages of a connection, in their order.
const (
	StageName    = "name"    // finding the server's addresses
	StageTCP     = "tcp"     // connecting to one of them
	StageProxy   = "proxy"   // where there is one: having it open the way to the server; name and tcp are the proxy's then
	StageHostKey = "hostkey" // key exchange and the comparison of the host key
	StageLogin   = "login"
)

// Step tells how one stage of a connection goes. A stage is told twice: when it begins, and when it is done or failed.
type Step struct {
	Stage   string
	Done    bool
	Failure *Failure // set when the stage failed
	Detail  string   // the first address that took the connection, the key shown and where, the way of the login
	Took    time.Duration
}

// stages tells the steps of one attempt, until it is over: x/crypto/ssh may still be at work then.
type stages struct {
	tell func(Step)

	mu    sync.Mutex
	stage string
	began time.Time
	over  bool
}

// begin starts a stage.
func (s *stages) begin(stage string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage, s.began = stage, time.Now()
	s.send(Step{})
}

// done ends the present stage; detail is what came of it.
func (s *stages) done(detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(Step{Done: true, Detail: detail})
}

// end is the last step, if the attempt failed.
func (s *stages) end(f *Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f != nil && s.stage != "" {
		s.send(Step{Done: true, Failure: f})
	}
	s.over = true
}

func (s *stages) send(step Step) {
	if s.over {
		return
	}
	step.Stage = s.stage
	if step.Done {
		step.Took = time.Since(s.began)
	}
	s.tell(step)
}
