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

func statusOf(m *hostv1.Status) tunnel.Status {
	return tunnel.Status{
		State: tunnel.State(m.GetState()), Reason: tunnel.Reason(m.GetReason()), Message: m.GetMessage(), Remedy: m.GetRemedy(),
		Diagnosis: diagnosisOf(m.GetDiagnosis()), Link: statementOf(m.GetLink()),
		Since: timeOf(m.GetSince()), NextAttempt: timeOf(m.GetNextAttempt()), ServerVersion: m.GetServerVersion(),
		Warnings: m.GetWarnings(), Mappings: each(m.GetMappings(), mappingStatusOf),
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

func mappingStatusOf(m *hostv1.MappingStatus) tunnel.MappingStatus {
	return tunnel.MappingStatus{
		Name: m.GetName(), State: tunnel.State(m.GetState()), Reason: tunnel.Reason(m.GetReason()), Message: m.GetMessage(), Remedy: m.GetRemedy(),
		Diagnosis: diagnosisOf(m.GetDiagnosis()), Listener: statementOf(m.GetListener()), Target: statementOf(m.GetTarget()),
		ProvedAt: timeOf(m.GetProvedAt()), TargetProvedAt: timeOf(m.GetTargetProvedAt()), Bound: tunnel.Bound(m.GetBound()),
		Connections: int(m.GetConnections()), Total: m.GetTotal(), Refused: m.GetRefused(), BytesIn: m.GetBytesIn(), BytesOut: m.GetBytesOut(),
		Callers: each(m.GetCallers(), callerOf),
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

func diagnosisOf(m *hostv1.Diagnosis) *tunnel.Diagnosis {
	if m == nil {
		return nil
	}
	return &tunnel.Diagnosis{
		Cause: tunnel.Cause(m.GetCause()), Evidence: m.GetEvidence(),
		Fixes: each(m.GetFixes(), func(f *hostv1.Fix) tunnel.Fix { return tunnel.Fix{Where: f.GetWhere(), Line: f.GetLine()} }),
	}
}

// statementTo leaves out one that is still awaited.
func statementTo(s tunnel.Statement) *hostv1.Statement {
	if s == (tunnel.Statement{}) {
		return nil
	}
	return &hostv1.Statement{State: string(s.State), Reason: string(s.Reason), Message: s.Message, At: timeTo(s.At)}
}

func statementOf(m *hostv1.Statement) tunnel.Statement {
	return tunnel.Statement{
		State: tunnel.State(m.GetState()), Reason: tunnel.Reason(m.GetReason()), Message: m.GetMessage(), At: timeOf(m.GetAt()),
	}
}

func callerTo(c tunnel.Caller) *hostv1.Caller {
	return &hostv1.Caller{Address: c.Address, Open: int64(c.Open), Total: c.Total, Last: timeTo(c.Last)}
}

func callerOf(m *hostv1.Caller) tunnel.Caller {
	return tunnel.Caller{Address: m.GetAddress(), Open: int(m.GetOpen()), Total: m.GetTotal(), Last: timeOf(m.GetLast())}
}
