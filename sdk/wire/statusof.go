package wire

import (
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func statusOf(p part) (s tunnel.Status) {
	s.Mappings = room[tunnel.MappingStatus](p, 9)
	for f := range p.fields {
		switch f.number {
		case 1:
			s.State = tunnel.State(f.text())
		case 2:
			s.Reason = tunnel.Reason(f.text())
		case 3:
			s.Message = f.text()
		case 4:
			s.Remedy = f.text()
		case 5:
			s.Since = instantOf(f.part)
		case 6:
			s.NextAttempt = instantOf(f.part)
		case 7:
			s.ServerVersion = f.text()
		case 8:
			s.Warnings = append(s.Warnings, f.text())
		case 9:
			s.Mappings = append(s.Mappings, mappingStatusOf(f.part))
		case 10:
			s.Diagnosis = diagnosisOf(f.part)
		case 11:
			s.Link = statementOf(f.part)
		}
	}
	return s
}

func mappingStatusOf(p part) (s tunnel.MappingStatus) {
	s.Callers = room[tunnel.Caller](p, 17)
	for f := range p.fields {
		switch f.number {
		case 1:
			s.Name = f.text()
		case 2:
			s.State = tunnel.State(f.text())
		case 3:
			s.Reason = tunnel.Reason(f.text())
		case 4:
			s.Message = f.text()
		case 5:
			s.Remedy = f.text()
		case 6:
			s.ProvedAt = instantOf(f.part)
		case 7:
			s.TargetProvedAt = instantOf(f.part)
		case 8:
			s.Bound = tunnel.Bound(f.text())
		case 9:
			s.Connections = f.int()
		case 10:
			s.BytesIn = f.varint
		case 11:
			s.BytesOut = f.varint
		case 12:
			s.Diagnosis = diagnosisOf(f.part)
		case 13:
			s.Listener = statementOf(f.part)
		case 14:
			s.Target = statementOf(f.part)
		case 15:
			s.Total = f.varint
		case 16:
			s.Refused = f.varint
		case 17:
			s.Callers = append(s.Callers, callerOf(f.part))
		}
	}
	return s
}

func diagnosisOf(p part) *tunnel.Diagnosis {
	var d tunnel.Diagnosis
	for f := range p.fields {
		switch f.number {
		case 1:
			d.Cause = tunnel.Cause(f.text())
		case 2:
			d.Evidence = append(d.Evidence, f.text())
		case 3:
			d.Fixes = append(d.Fixes, fixOf(f.part))
		}
	}
	return &d
}

func fixOf(p part) (x tunnel.Fix) {
	for f := range p.fields {
		switch f.number {
		case 1:
			x.Where = f.text()
		case 2:
			x.Line = f.text()
		}
	}
	return x
}

func statementOf(p part) (s tunnel.Statement) {
	for f := range p.fields {
		switch f.number {
		case 1:
			s.State = tunnel.State(f.text())
		case 2:
			s.Reason = tunnel.Reason(f.text())
		case 3:
			s.Message = f.text()
		case 4:
			s.At = instantOf(f.part)
		}
	}
	return s
}

func callerOf(p part) (c tunnel.Caller) {
	for f := range p.fields {
		switch f.number {
		case 1:
			c.Address = f.text()
		case 2:
			c.Open = f.int()
		case 3:
			c.Total = f.varint
		case 4:
			c.Last = instantOf(f.part)
		}
	}
	return c
}

// instantOf is a time that applies.
func instantOf(p part) time.Time {
	var seconds, nanos int
	for f := range p.fields {
		switch f.number {
		case 1:
			seconds = f.int()
		case 2:
			nanos = f.int()
		}
	}
	return time.Unix(int64(seconds), int64(nanos)).UTC()
}
