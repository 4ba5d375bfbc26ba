package api

import (
	"strings"
	"unicode"

	"github.com/sergi/go-diff/diffmatchpatch"

	"vitae/ledger"
)

// changedText is one text of a value, word by word.
type changedText struct {
	// Pointer is the text's place in the value, as a JSON pointer: "" is the value itself.
	Pointer string     `json:"pointer"`
	Parts   []textPart `json:"parts"`
}

// textPart is a stretch of words, with the spaces between them. The parts that are equal or
// deleted are the old text, those that are equal or inserted the new one.
type textPart struct {
	Op   string `json:"op"` // equal, delete, insert
	Text string `json:"text"`
}

// A text is compared by words if both its forms have more than fewWords, and not so many
// that comparing them takes long.
const (
	fewWords  = 3
	manyWords = 2000
)

// changedTexts compares the texts of two values that stand at the same place in both.
func changedTexts(from, to ledger.Value) (out []changedText) {
	if from == nil || to == nil {
		return nil
	}
	a, err := ledger.ParseJSON(from)
	if err != nil {
		return nil
	}
	b, err := ledger.ParseJSON(to)
	if err != nil {
		return nil
	}
	return appendTexts(nil, "", a, b)
}

func appendTexts(out []changedText, pointer string, a, b ledger.Node) []changedText {
	switch {
	case a.Kind == ledger.NodeString && b.Kind == ledger.NodeString && a.Text != b.Text:
		if parts := wordDiff(a.Text, b.Text); parts != nil {
			out = append(out, changedText{pointer, parts})
		}
	case a.Kind == ledger.NodeObject && b.Kind == ledger.NodeObject:
		for _, m := range a.Members {
			if other, ok := b.Member(m.Name); ok {
				out = appendTexts(out, ledger.PointerTo(pointer, m.Name), m.Node, other)
			}
		}
	}
	return out
}

// wordDiff compares two texts word by word; nil when they are too short or too long for it.
func wordDiff(a, b string) []textPart {
	tokens := map[string]rune{}
	var words []string // by token
	encode := func(text string) (out []rune, n int) {
		for _, word := range splitWords(text) {
			t, ok := tokens[word]
			if !ok {
				t = tokenOf(len(words))
				tokens[word] = t
				words = append(words, word)
			}
			if strings.TrimSpace(word) != "" {
				n++
			}
			out = append(out, t)
		}
		return out, n
	}
	x, n := encode(a)
	y, m := encode(b)
	if min(n, m) <= fewWords || max(n, m) > manyWords {
		return nil
	}
	d := diffmatchpatch.New()
	d.DiffTimeout = 0 // the answer must not depend on how fast the machine is
	var parts []textPart
	for _, part := range d.DiffCleanupMerge(d.DiffMainRunes(x, y, false)) {
		var text strings.Builder
		for _, t := range part.Text {
			text.WriteString(words[indexOf(t)])
		}
		op := map[diffmatchpatch.Operation]string{diffmatchpatch.DiffEqual: "equal", diffmatchpatch.DiffDelete: "delete", diffmatchpatch.DiffInsert: "insert"}[part.Type]
		parts = append(parts, textPart{op, text.String()})
	}
	return parts
}

// splitWords cuts a text into words and the spaces between them; joined they are the text.
func splitWords(text string) (out []string) {
	start, was := 0, false
	for i, r := range text {
		space := unicode.IsSpace(r)
		if i > 0 && space != was {
			out = append(out, text[start:i])
			start = i
		}
		was = space
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}

// tokenOf gives each word a code point of its own, and indexOf finds the word again. The
// comparison carries tokens as UTF-8, which has no surrogates.
func tokenOf(i int) rune {
	if r := rune(i + 1); r < 0xd800 {
		return r
	}
	return rune(i + 1 + 0x800)
}

func indexOf(r rune) int {
	if r >= 0xe000 {
		r -= 0x800
	}
	return int(r) - 1
}
