package ledger

// The helpers below keep the catalogue's tables readable: a row is a field, and under
// it one line for each way in which a provider carries it.

// sent is a home that keeps the value as it is.
func sent(provider, as string, clear Clear) Home {
	return Home{Provider: provider, As: as, How: Sent, Clear: clear}
}

// lossy is a home that keeps part of the value; why says what is lost.
func lossy(provider, as string, clear Clear, why string) Home {
	return Home{Provider: provider, As: as, How: Lossy, Clear: clear, Why: why}
}

// absent is a provider that cannot hold the value; why says so.
func absent(provider, why string) Home { return Home{Provider: provider, How: NotCarried, Why: why} }

// to is the home of a member inside an item that is sent whole.
func to(provider, as string) Home { return Home{Provider: provider, As: as, How: Sent} }

func (h Home) max(n int) Home           { h.Max = n; return h }
func (h Home) limit(text string) Home   { h.Limit = text; return h }
func (h Home) enum(words []string) Home { h.Enum = words; return h }
func (h Home) because(why string) Home  { h.Why = why; return h }
