package sinks

// Unsent is the outcome of a call for which no request was made: kind and message say why,
// as in Fault.
func Unsent(v Verdict, kind, message string) Outcome {
	return Outcome{Verdict: v, Fault: Fault{Type: kind, Message: message, Sent: SentNo}}
}

// Mistake is the outcome of a call that a dialect cannot have asked for: a fault of our own.
func Mistake(message string) Outcome { return Unsent(Refused, "bad_call", message) }

// Garbage is the outcome of an answer that is not the provider's: whether it took the edit
// is unknown. whose names the provider, as in "Mokaru's".
func Garbage(status int, whose string) Outcome {
	return Outcome{Verdict: Unknown, Fault: Fault{HTTP: status, Type: UnknownType, Message: "the answer is not one of " + whose, Sent: SentUnknown}}
}
