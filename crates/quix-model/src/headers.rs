//! `QuixHeaders`: the headers that say something about a record's form; all others are passed over.

/// Values as they stand; of equal names the last counts, null or not. Names are case-sensitive.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct QuixHeaders<'a> {
    pub(crate) codec: Option<&'a [u8]>,
    pub(crate) model_key: Option<&'a [u8]>,
    pub(crate) split_id: Option<&'a [u8]>,
    pub(crate) split_index: Option<&'a [u8]>,
    pub(crate) split_count: Option<&'a [u8]>,
}

impl<'a> QuixHeaders<'a> {
    pub(crate) fn among(headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let place = match name {
                CODEC_ID => &mut found.codec,
                MODEL_KEY => &mut found.model_key,
                "__Q_SplitMessageId" => &mut found.split_id,
                "__Q_SplitMessageIndex" => &mut found.split_index,
                "__Q_SplitMessageCount" => &mut found.split_count,
                _ => continue,
            };
            *place = value;
        }
        found
    }
}

/// Names the codec of a bare body.
pub(crate) const CODEC_ID: &str = "__Q_CodecId";
/// Names the model of a bare body.
pub(crate) const MODEL_KEY: &str = "__Q_ModelKey";
