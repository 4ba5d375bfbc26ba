package api

import (
	"maps"
	"slices"
)

// sinkSchemas adds the components of the deliveries.
func sinkSchemas(out object) {
	text, number, decimal, flag := object{"type": "string"}, object{"type": "integer"}, object{"type": "number"}, object{"type": "boolean"}
	time := object{"type": "string", "format": "date-time"}
	counts := object{"type": "object", "additionalProperties": number}
	enum := func(all ...any) object { return object{"type": "string", "enum": all} }
	closed := func(properties object, required ...string) object {
		o := shape(properties, required...)
		o["additionalProperties"] = false
		return o
	}
	action := enum("retry", "mark_done", "skip", "recreate")
	class := enum("A", "B", "C", "D", "E", "F")
	reason := object{"type": "string", "maxLength": maxReason}
	fault := object{"type": "object"}

	out["Sink"] = shape(object{"name": text, "state": enum("running", "paused"), "health": enum("idle", "active", "failing", "stalled", "paused"), "lagEvents": number,
		"freshnessSeconds": decimal, "lanes": counts, "oldestSeconds": object{"type": "object", "additionalProperties": decimal}, "accounts": number, "pausedAccounts": number,
		"calls": number, "skippedUnchanged": number, "parked": number, "uncertain": number, "noopRatio": decimal, "unknownErrorTypes": number, "drifted": number,
		"rate":      shape(object{"limit": number, "remaining": number, "resetSeconds": number, "dayLimit": number, "dayRemaining": number}),
		"lastError": nullable(fault)}, "name", "state", "health")
	out["SinkList"] = pageOf(ref("Sink"))

	parked := shape(object{"id": text, "phase": enum("PARKED", "UNCERTAIN"), "profile": text, "entity": text, "class": class, "verb": text, "code": text, "reason": text,
		"since": time, "seq": number, "sentAt": time, "fingerprint": text, "attempts": number, "evidence": fault,
		"lastRead": shape(object{"at": time, "times": number, "matches": number}), "nextAt": time, "choices": arrayOf(action)},
		"phase", "profile", "entity", "class", "code", "reason", "since", "choices")
	parked["description"] = "An edit that waits for a person; or, without id and choices, one whose outcome is not known yet: nextAt says when it is looked at again."
	out["ParkedEdit"] = parked
	out["ParkedList"] = pageOf(ref("ParkedEdit"))
	out["ParkedDecision"] = closed(object{"action": action, "reason": reason}, "action")
	out["ParkedDecisions"] = closed(object{"action": action, "reason": reason,
		"filter": closed(object{"code": text, "entity": text, "class": class, "profile": text, "before": time})}, "action")
	out["Decided"] = shape(object{"success": flag, "seq": number}, "success")
	decided := shape(object{"matched": number, "decided": number, "failed": arrayOf(shape(object{"id": text, "error": text}, "id", "error")),
		"data": arrayOf(ref("ParkedEdit")), "more": flag, "dryRun": flag}, "matched")
	decided["description"] = "With more, the same request goes on with the next ones. A dry run lists the edits in data."
	out["ParkedDecided"] = decided

	out["PlanTarget"] = closed(object{"profile": text, "to": object{"type": "integer", "minimum": 1}})
	change := shape(object{"field": text, "before": object{}, "after": object{}}, "field")
	change["description"] = "before and after are shown to a key with values:read only; null is nothing."
	operation := shape(object{"entity": text, "class": class, "verb": text, "why": enum("differs", "missing", "extra", "order", "unread"), "changes": arrayOf(change), "wanted": text},
		"entity", "class", "verb", "why")
	profile := shape(object{"profile": text, "operations": arrayOf(operation), "requests": number, "notRepeated": arrayOf(text), "foreign": counts, "atRisk": counts, "waiting": arrayOf(text)},
		"profile", "operations", "requests")
	members := object{"id": text, "sink": text, "to": number, "madeAt": time, "digest": text, "profiles": arrayOf(profile), "looked": number, "operations": number,
		"requests": number, "minutes": decimal, "days": number, "state": text}
	out["Plan"] = shape(members, slices.DeleteFunc(slices.Sorted(maps.Keys(members)), func(name string) bool { return name == "to" })...)
	out["PlanApply"] = closed(object{"digest": text}, "digest")
	out["PlanProgress"] = shape(object{"plan": text, "sink": text, "state": enum("applying", "done", "cancelled"), "total": number, "done": number, "parked": number, "moved": number},
		"plan", "sink", "state", "total", "done", "parked", "moved")
}
