//! What a request of another name server is answered with that is not carried out.

use domain::base::iana::{ExtendedErrorCode, Rcode};
use domain::base::opt::ExtendedError;
use domain::base::{Message, MessageBuilder};

/// The UDP message size that we offer to take (RFC 9715, section 3).
const UDP_LENGTH: u16 = 1232;

/// An answer with an error code and the question. Where the requester knows extended
/// errors, which it shows by an OPT record, it gets the reason too (RFC 8914, section 3).
pub fn refuse(request: &[u8], rcode: Rcode, reason: Option<(ExtendedErrorCode, &'static str)>) -> Vec<u8> {
    let Ok(request) = Message::from_slice(request) else {
        return Vec::new();
    };
    let mut answer = MessageBuilder::new_vec().start_error(request, rcode);
    // `start_error` turns the code into another one where the question cannot be copied.
    answer.header_mut().set_rcode(rcode);
    let mut answer = answer.additional();
    if request.opt().is_some() {
        // An OPT record fits in any message, and what does not is left out.
        let _ = answer.opt(|opt| {
            opt.set_udp_payload_size(UDP_LENGTH);
            // Texts are ours, and short.
            let error =
                reason.and_then(|(code, text)| ExtendedError::<Vec<u8>>::new_with_str(code, text).ok());
            error.map_or(Ok(()), |error| opt.push(&error))
        });
    }
    answer.finish()
}
