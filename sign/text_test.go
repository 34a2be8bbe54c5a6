package sign

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func someDER(n int) []byte {
	der := append([]byte{0x30}, derLength(n)...)
	for i := range n {
		der = append(der, byte(i*7))
	}
	return der
}

func TestEncodeText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		form    TextForm
		name    string
		columns int
		eol     string
	}{
		{Text64CRLF, "64-crlf", 64, "\r\n"},
		{Text76CR, "76-cr", 76, "\r"},
		{TextOneLine, "one-line", 1 << 30, ""},
	} {
		if got, err := ParseTextForm(tt.name); err != nil || got != tt.form || got.String() != tt.name {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
		for _, n := range []int{1, 45, 46, 47, 48, 55, 57, 94, 100, 1000} {
			der := someDER(n)
			text := string(EncodeText(der, tt.form))
			lines := []string{text}
			if tt.eol != "" {
				if !strings.HasSuffix(text, tt.eol) {
					t.Fatalf("%s: no line end at the end", tt.name)
				}
				lines = strings.Split(strings.TrimSuffix(text, tt.eol), tt.eol)
			}
			for i, l := range lines {
				if l == "" || len(l) > tt.columns || i < len(lines)-1 && len(l) != tt.columns || strings.ContainsAny(l, "\r\n") {
					t.Errorf("%s, %d bytes: line %d is %q", tt.name, n, i, l)
				}
			}
			if strings.Join(lines, "") != base64.StdEncoding.EncodeToString(der) {
				t.Errorf("%s: other text", tt.name)
			}
			if got, err := DecodeText([]byte(text)); err != nil || !bytes.Equal(got, der) {
				t.Errorf("%s: decoded %x, %v", tt.name, got, err)
			}
		}
	}
	if _, err := ParseTextForm("80"); err == nil {
		t.Error("form 80 accepted")
	}
	if got := EncodeText(someDER(60), TextForm(9)); !bytes.Equal(got, EncodeText(someDER(60), Text64CRLF)) {
		t.Errorf("unknown form: %q", got)
	}
}

func TestDecodeText(t *testing.T) {
	t.Parallel()
	der := someDER(100)
	b64 := base64.StdEncoding.EncodeToString(der)
	half := len(b64)/2 + 1
	for name, text := range map[string]string{
		"one line":       b64,
		"lf":             b64[:half] + "\n" + b64[half:] + "\n",
		"cr":             b64[:half] + "\r" + b64[half:] + "\r",
		"blank lines":    "\r\n\r\n" + b64[:half] + "\r\n \t\r\n" + b64[half:] + "\n\n",
		"spaces":         " " + b64[:half] + " \t " + b64[half:] + "  ",
		"bom":            "\xef\xbb\xbf" + b64,
		"pem pkcs7":      "-----BEGIN PKCS7-----\n" + b64 + "\n-----END PKCS7-----\n",
		"pem cms crlf":   "-----BEGIN CMS-----\r\n" + b64 + "\r\n-----END CMS-----",
		"pem cr and bom": "\xef\xbb\xbf\r-----BEGIN X Y-----\r" + b64 + "\r-----END X Y----- \r\r",
		"der":            string(der),
	} {
		if got, err := DecodeText([]byte(text)); err != nil || !bytes.Equal(got, der) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"empty", "", ErrText},
		{"only blank", "\r\n \t\n", ErrText},
		{"only bom", "\xef\xbb\xbf", ErrText},
		{"words", "this is not a signature", ErrText},
		{"xml", "<?xml version=\"1.0\"?>", ErrText},
		{"url alphabet", strings.ReplaceAll(b64, "+", "-") + "-_", ErrText},
		{"padding inside", "MA==" + b64, ErrText},
		{"cut", b64[:len(b64)-1], ErrText},
		{"loose bits", "MAB=", ErrText},
		{"no sequence", base64.StdEncoding.EncodeToString([]byte("hello")), ErrText},
		{"no end line", "-----BEGIN PKCS7-----\n" + b64, ErrText},
		{"only end line", b64 + "\n-----END PKCS7-----", ErrText},
		{"wrong end line", "-----BEGIN PKCS7-----\n" + b64 + "\n-----END CMS-----", ErrText},
		{"text before", "hello\n-----BEGIN PKCS7-----\n" + b64 + "\n-----END PKCS7-----", ErrText},
		{"text after", "-----BEGIN CMS-----\n" + b64 + "\n-----END CMS-----\nhello", ErrTrailingData},
		{"two blocks", strings.Repeat("-----BEGIN CMS-----\n"+b64+"\n-----END CMS-----\n", 2), ErrTrailingData},
		{"too large", strings.Repeat("A", MaxSignatureSize+1), ErrTooLarge},
		{"utf-16", "\xff\xfeM\x00I\x00", ErrText},
	} {
		got, err := DecodeText([]byte(tt.text))
		if err == nil {
			t.Errorf("%s: accepted as %x", tt.name, got)
			continue
		}
		wantReason(t, err, tt.want)
	}
}

func FuzzDecodeText(f *testing.F) {
	der := someDER(200)
	for _, form := range []TextForm{Text64CRLF, Text76CR, TextOneLine} {
		f.Add(EncodeText(der, form))
	}
	f.Add(der)
	f.Add([]byte("-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n"))
	f.Add([]byte("\xef\xbb\xbf MA A=\r\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		der, err := DecodeText(text)
		if err != nil {
			return
		}
		if len(der) == 0 || der[0] != 0x30 || len(der) > len(text) {
			t.Fatalf("decoded %x", der)
		}
		for form := range textForms {
			again, err := DecodeText(EncodeText(der, form))
			if len(der) <= MaxSignatureSize/2 && (err != nil || !bytes.Equal(again, der)) {
				t.Fatalf("%v: %x became %x, %v", form, der, again, err)
			}
		}
	})
}
