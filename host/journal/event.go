package journal

import (
	"maps"
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// How long the parts of an event may be, in bytes, and how many fields it may have.
const (
	maxName    = 200 // type, actor, subject, reason, a field's name
	maxMessage = 2000
	maxValue   = 500
	maxFields  = 16
	maxLine    = 64 << 10 // more than all of them together, escaped
)

// bounded returns e as it is written: every text cut and escaped, since some come
// from servers and modules, and a time that JSON can hold.
func bounded(e tunnel.Event) tunnel.Event {
	e.Time = e.Time.UTC().Round(0)
	if y := e.Time.Year(); y < 0 || y > 9999 {
		e.Time = time.Unix(0, 0).UTC()
	}
	e.Type = tunnel.EventType(tunnel.Clean(string(e.Type), maxName))
	e.Actor = tunnel.Clean(e.Actor, maxName)
	e.Subject = tunnel.Clean(e.Subject, maxName)
	e.Reason = tunnel.Reason(tunnel.Clean(string(e.Reason), maxName))
	e.Message = tunnel.Clean(e.Message, maxMessage)
	e.Fields = boundedFields(e.Fields)
	return e
}

// boundedFields keeps the first fields in the order of their names.
func boundedFields(fields map[string]string) map[string]string {
	if len(fields) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(fields))[:min(len(fields), maxFields)] {
		out[tunnel.Clean(name, maxName)] = tunnel.Clean(fields[name], maxValue)
	}
	return out
}
