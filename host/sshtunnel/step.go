package sshtunnel

import "time"

// The stages of a connection, in their order.
const (
	StageName    = "name"    // finding the server's addresses
	StageTCP     = "tcp"     // connecting to one of them
	StageHostKey = "hostkey" // key exchange and the comparison of the host key
	StageLogin   = "login"
)

// Step tells how one stage of a connection goes. A stage is told twice: when it begins, and when it is done or failed.
type Step struct {
	Stage   string
	Done    bool
	Failure *Failure // set when the stage failed
	Detail  string   // the address connected to, the key shown, the way of the login
	Took    time.Duration
}

// stages tells the steps of one attempt.
type stages struct {
	tell  func(Step)
	stage string
	began time.Time
}

// begin starts a stage.
func (s *stages) begin(stage string) {
	s.stage, s.began = stage, time.Now()
	s.tell(Step{Stage: stage})
}

func (s *stages) done(detail string) {
	s.tell(Step{Stage: s.stage, Done: true, Detail: detail, Took: time.Since(s.began)})
}

func (s *stages) failed(f *Failure) {
	s.tell(Step{Stage: s.stage, Done: true, Failure: f, Took: time.Since(s.began)})
}
