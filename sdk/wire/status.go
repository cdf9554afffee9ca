package wire

import (
	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func statusTo(s tunnel.Status) *hostv1.Status {
	return &hostv1.Status{
		State: string(s.State), Reason: string(s.Reason), Message: s.Message, Remedy: s.Remedy,
		Diagnosis: diagnosisTo(s.Diagnosis), Link: statementTo(s.Link),
		Since: timeTo(s.Since), NextAttempt: timeTo(s.NextAttempt), ServerVersion: s.ServerVersion,
		Warnings: s.Warnings, Mappings: each(s.Mappings, mappingStatusTo),
	}
}

func mappingStatusTo(s tunnel.MappingStatus) *hostv1.MappingStatus {
	return &hostv1.MappingStatus{
		Name: s.Name, State: string(s.State), Reason: string(s.Reason), Message: s.Message, Remedy: s.Remedy,
		Diagnosis: diagnosisTo(s.Diagnosis), Listener: statementTo(s.Listener), Target: statementTo(s.Target),
		ProvedAt: timeTo(s.ProvedAt), TargetProvedAt: timeTo(s.TargetProvedAt), Bound: string(s.Bound),
		Connections: int64(s.Connections), Total: s.Total, Refused: s.Refused, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Callers: each(s.Callers, callerTo),
	}
}

// diagnosisTo leaves out one where the reason says it all.
func diagnosisTo(d *tunnel.Diagnosis) *hostv1.Diagnosis {
	if d == nil {
		return nil
	}
	return &hostv1.Diagnosis{
		Cause: string(d.Cause), Evidence: d.Evidence,
		Fixes: each(d.Fixes, func(f tunnel.Fix) *hostv1.Fix { return &hostv1.Fix{Where: f.Where, Line: f.Line} }),
	}
}

// statementTo leaves out one that is still awaited.
func statementTo(s tunnel.Statement) *hostv1.Statement {
	if s == (tunnel.Statement{}) {
		return nil
	}
	return &hostv1.Statement{State: string(s.State), Reason: string(s.Reason), Message: s.Message, At: timeTo(s.At)}
}

func callerTo(c tunnel.Caller) *hostv1.Caller {
	return &hostv1.Caller{Address: c.Address, Open: int64(c.Open), Total: c.Total, Last: timeTo(c.Last)}
}
