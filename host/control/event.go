package control

import (
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Event is one line of the journal as it is shown: every name always there.
type Event struct {
	Time    time.Time         `json:"time"`
	Type    string            `json:"type"`
	Actor   string            `json:"actor"`
	Subject string            `json:"subject"`
	Reason  *string           `json:"reason"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields"`
}

func eventOf(e tunnel.Event) Event {
	fields := e.Fields
	if fields == nil {
		fields = map[string]string{}
	}
	return Event{Time: e.Time.UTC(), Type: string(e.Type), Actor: e.Actor, Subject: e.Subject,
		Reason: reasonOf(e.Reason), Message: e.Message, Fields: fields}
}
