package sinks

// Edits is what a request in a provider's dialect asks for, in the words of the native
// API. A dialect makes it from the request and the profile's opened state, and decides
// nothing: commands check it like any other request.
type Edits struct {
	// Patch is a merge patch (JSON) of the profile and its base resume; nil for none. What
	// is absent stays, null clears, a list replaces the list. A list in another order, of
	// items with their ids, reorders it.
	Patch []byte
	// Items are edits of single items of base, made after Patch.
	Items []ItemEdit
}

// ItemEdit is one item's part of Edits.
type ItemEdit struct {
	Op    ItemOp
	Field string // of the catalogue
	Item  string // its id; for AddItem the new one's, "" draws one
	Body  []byte // AddItem: the item; PatchItem: a merge patch
}

// ItemOp is what an ItemEdit does.
type ItemOp uint8

// The edits of an item.
const (
	AddItem ItemOp = iota
	PatchItem
	RemoveItem
)
